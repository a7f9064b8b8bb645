#include "nets/kernels/device_ops.h"

#include "core/error.h"

#ifdef EQUIPOISE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "core/libtorch.h"
#include "nets/kernels/device_group_norm.h"
#include "nets/kernels/tensor_args.h"
#endif

namespace equipoise::nets::kernels::device {

#ifdef EQUIPOISE_CUDA

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const Optional& optional_offset, const Optional& optional_scale,
                            const Optional& optional_shift, int64_t groups, double eps,
                            bool use_silu) {
    const c10::cuda::CUDAGuard guard(input.device());
    const at::Tensor x = input.contiguous(kChannelsLast), offset = rows_of(optional_offset),
                     scale = rows_of(optional_scale), shift = rows_of(optional_shift);
    const NormShape shape = norm_shape(x, groups, eps, use_silu);
    const at::Tensor y = at::empty_like(x),
                     sums = at::empty({shape.batch, num_parts(shape), 2, shape.channels},
                                      bias.options()),
                     folded = at::empty({shape.batch, 4, shape.channels}, bias.options());
    const int error = group_norm_forward(shape, norm_inputs(x, weight, bias, offset, scale, shift),
                                         y.data_ptr<float>(), sums.data_ptr<float>(),
                                         folded.data_ptr<float>(), stream());
    EQUIPOISE_ASSERT(error == 0);
    context->save_for_backward({x, weight, bias, offset, scale, shift, folded});
    context->saved_data["groups"] = groups;
    context->saved_data["use_silu"] = use_silu;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list s = context->get_saved_variables();
    const at::Tensor &x = s[0], &weight = s[1], &folded = s[6];
    const c10::cuda::CUDAGuard guard(x.device());
    const NormShape shape = norm_shape(x, context->saved_data["groups"].toInt(), /*eps=*/0,
                                       context->saved_data["use_silu"].toBool());
    const at::Tensor grad_y = gradients[0].contiguous(kChannelsLast);
    const auto like = [](const at::Tensor& tensor) {
      return tensor.defined() ? at::empty_like(tensor) : at::Tensor();
    };
    const auto an_image = [&] {
      return at::empty({shape.batch, shape.channels}, weight.options());
    };
    const at::Tensor grad_x = at::empty_like(x), grad_weights = an_image(),
                     grad_biases = an_image(), grad_offset = like(s[3]), grad_scale = like(s[4]),
                     grad_shift = like(s[5]),
                     sums = at::empty({shape.batch, num_parts(shape), 3, shape.channels},
                                      weight.options()),
                     slopes = at::empty({shape.batch, 2, shape.channels}, weight.options());
    const int error = group_norm_backward(
        shape, norm_inputs(x, weight, s[2], s[3], s[4], s[5]), folded.data_ptr<float>(),
        grad_y.data_ptr<float>(),
        {grad_x.data_ptr<float>(), grad_weights.data_ptr<float>(), grad_biases.data_ptr<float>(),
         data_or_null(grad_offset), data_or_null(grad_scale), data_or_null(grad_shift)},
        sums.data_ptr<float>(), slopes.data_ptr<float>(), stream());
    EQUIPOISE_ASSERT(error == 0);
    return {grad_x,
            grad_weights.sum(0),
            grad_biases.sum(0),
            grad_offset,
            grad_scale,
            grad_shift,
            {},
            {},
            {}};
  }

 private:
  static void* stream() { return c10::cuda::getCurrentCUDAStream().stream(); }
};

}  // namespace

bool handles_group_norm(const at::Tensor& x) {
  return x.dim() == 4 && x.scalar_type() == at::kFloat && x.is_cuda() && x.numel() > 0 &&
         x.size(1) % 4 == 0 && x.size(1) <= kMostChannels;
}

at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NormModulation& modulation, int64_t groups, double eps, bool use_silu) {
  return Norm::apply(x, weight, bias, optional(modulation.offset), optional(modulation.scale),
                     optional(modulation.shift), groups, eps, use_silu);
}

#else

bool handles_group_norm(const at::Tensor&) {
  return false;
}

at::Tensor group_norm(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                      const NormModulation&, int64_t, double, bool) {
  EQUIPOISE_ASSERT(!"built without CUDA");
  return {};
}

#endif

}  // namespace equipoise::nets::kernels::device
