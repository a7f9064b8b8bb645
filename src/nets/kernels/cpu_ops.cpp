#include "nets/kernels/cpu_ops.h"

#include <algorithm>

#include "core/libtorch.h"
#include "nets/kernels/attention.h"
#include "nets/kernels/bf16_conv.h"
#include "nets/kernels/byte_rows.h"
#include "nets/kernels/gemm.h"
#include "nets/kernels/group_norm.h"
#include "nets/kernels/kept_weights.h"
#include "nets/kernels/rows.h"
#include "nets/kernels/simd.h"
#include "nets/kernels/tensor_args.h"
#include "nets/kernels/winograd.h"

namespace equipoise::nets::kernels {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr auto kChannelsLast = at::MemoryFormat::ChannelsLast;

at::Tensor image_like(at::IntArrayRef sizes) {
  return at::empty(sizes, at::kFloat, kChannelsLast);
}

/// Operator::apply where a gradient may be asked for; else its forward alone, without a node in the
/// graph (context = null), which on single images takes as long as a small operator.
template <class Operator, class... Arguments>
at::Tensor run(at::ArrayRef<const at::Tensor*> inputs, const Arguments&... arguments) {
  const auto wants_gradient = [](const at::Tensor* input) {
    return input->defined() && input->requires_grad();
  };
  if (at::GradMode::is_enabled() && std::any_of(inputs.begin(), inputs.end(), wants_gradient))
    return Operator::apply(arguments...);
  return Operator::forward(nullptr, arguments...);
}

// --- Convolution.

ConvShape conv_shape(const at::Tensor& x, const at::Tensor& weight) {
  return {x.size(0), x.size(2), x.size(3), x.size(1), weight.size(0)};
}

/// A 1x1 convolution is one product over all pixels.
void pointwise_forward(const ConvShape& shape, const float* x, const float* weight,
                       const float* bias, float* y) {
  const int64_t pixels = shape.batch * shape.height * shape.width, in = shape.in_channels,
                out = shape.out_channels;
  if (bias) fill_rows(pixels, out, bias, y);
  multiply({pixels, out, in, bias ? 1.0f : 0.0f}, {x, in}, {weight, in, true}, y, out);
}

void pointwise_backward(const ConvShape& shape, const float* x, const float* weight,
                        const float* grad_y, const ConvGradients& gradients) {
  const int64_t pixels = shape.batch * shape.height * shape.width, in = shape.in_channels,
                out = shape.out_channels;
  if (gradients.x) multiply({pixels, in, out}, {grad_y, out}, {weight, in}, gradients.x, in);
  if (gradients.weight)
    multiply({out, in, pixels}, {grad_y, out, true}, {x, in}, gradients.weight, in);
  if (gradients.bias) sum_rows(pixels, out, grad_y, gradients.bias);
}

/// Memory for the gradients that autograd asks for.
struct ConvGradientTensors {
  ConvGradientTensors(AutogradContext* context, at::IntArrayRef image_sizes,
                      const at::Tensor& filters) {
    if (context->needs_input_grad(0)) x = image_like(image_sizes);
    if (context->needs_input_grad(1)) weight = at::empty(filters.sizes(), filters.options());
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2))
      bias = at::empty({filters.size(0)}, filters.options());
  }
  ConvGradients pointers() const {
    return {data_or_null(x), data_or_null(weight), data_or_null(bias)};
  }
  at::Tensor x, weight, bias;
};

struct Convolution : Function<Convolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const Optional& optional_bias) {
    const at::Tensor x = input.contiguous(kChannelsLast), filters = weight.contiguous(),
                     bias = rows_of(optional_bias);
    const ConvShape shape = conv_shape(x, filters);
    at::Tensor y = image_like({shape.batch, shape.out_channels, shape.height, shape.width});
    (filters.size(2) == 3 ? winograd_forward : pointwise_forward)(
        shape, x.data_ptr<float>(), filters.data_ptr<float>(), data_or_null(bias),
        y.data_ptr<float>());
    if (context != nullptr) {
      context->save_for_backward({x, filters});
      context->saved_data["has_bias"] = bias.defined();
    }
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor grad_y = gradients[0].contiguous(kChannelsLast);
    const ConvGradientTensors wanted(context, x.sizes(), weight);
    (weight.size(2) == 3 ? winograd_backward : pointwise_backward)(
        conv_shape(x, weight), x.data_ptr<float>(), weight.data_ptr<float>(),
        grad_y.data_ptr<float>(), wanted.pointers());
    return {wanted.x, wanted.weight, wanted.bias};
  }
};

at::Tensor kept_packed(const ConvShape& shape, const at::Tensor& weight) {
  // How weights are packed may depend on the images' number and size.
  const auto purpose = static_cast<uint64_t>(shape.batch << 40 | shape.height << 20 | shape.width);
  return kept_weights(weight, purpose, packed_weights_size(shape, weight.size(2)), [&](void* to) {
    pack_weights(shape, weight.size(2), weight.data_ptr<float>(), to);
  });
}

uint16_t* bits_of(const at::Tensor& tensor) {
  return reinterpret_cast<uint16_t*>(tensor.data_ptr<at::BFloat16>());
}

/// The image is kept as bfloat16 for the way back.
struct NarrowConvolution : Function<NarrowConvolution> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const Optional& optional_bias) {
    const at::Tensor wide = input.contiguous(kChannelsLast), filters = weight.contiguous(),
                     bias = rows_of(optional_bias);
    const ConvShape shape = conv_shape(wide, filters);
    const at::Tensor x = at::empty(wide.sizes(), at::kBFloat16, kChannelsLast);
    to_bf16(wide.numel(), wide.data_ptr<float>(), bits_of(x));
    at::Tensor y = image_like({shape.batch, shape.out_channels, shape.height, shape.width});
    const at::Tensor kept = kept_packed(shape, filters);
    bf16_forward(shape, filters.size(2), bits_of(x), filters.data_ptr<float>(), data_or_null(bias),
                 y.data_ptr<float>(), kept.defined() ? kept.data_ptr() : nullptr);
    if (context != nullptr) {
      context->save_for_backward({x, filters});
      context->saved_data["has_bias"] = bias.defined();
    }
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const ConvGradientTensors wanted(context, x.sizes(), weight);
    bf16_backward(conv_shape(x, weight), weight.size(2), bits_of(x), weight.data_ptr<float>(),
                  gradients[0].contiguous(kChannelsLast).data_ptr<float>(), wanted.pointers());
    return {wanted.x, wanted.weight, wanted.bias};
  }
};

// --- Group norm.

struct Norm : Function<Norm> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const Optional& optional_offset, const Optional& optional_scale,
                            const Optional& optional_shift, int64_t groups, double eps,
                            bool use_silu) {
    const at::Tensor x = input.contiguous(kChannelsLast), offset = rows_of(optional_offset),
                     scale = rows_of(optional_scale), shift = rows_of(optional_shift);
    const NormShape shape = norm_shape(x, groups, eps, use_silu);
    at::Tensor y = image_like(x.sizes()), moments = at::empty({2, shape.batch, groups}, at::kFloat);
    group_norm_forward(shape, norm_inputs(x, weight, bias, offset, scale, shift),
                       y.data_ptr<float>(), moments[0].data_ptr<float>(),
                       moments[1].data_ptr<float>());
    if (context != nullptr) {
      context->save_for_backward({x, weight, bias, offset, scale, shift, moments});
      context->saved_data["eps"] = eps;
      context->saved_data["use_silu"] = use_silu;
    }
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list s = context->get_saved_variables();
    const at::Tensor &x = s[0], &moments = s[6];
    const at::Tensor grad_y = gradients[0].contiguous(kChannelsLast);
    const auto like = [](const at::Tensor& tensor) {
      return tensor.defined() ? at::empty(tensor.sizes(), at::kFloat) : at::Tensor();
    };
    const at::Tensor grad_x = image_like(x.sizes()), grad_weight = like(s[1]),
                     grad_bias = like(s[2]), grad_offset = like(s[3]), grad_scale = like(s[4]),
                     grad_shift = like(s[5]);
    group_norm_backward(
        norm_shape(x, moments.size(2), context->saved_data["eps"].toDouble(),
                   context->saved_data["use_silu"].toBool()),
        norm_inputs(x, s[1], s[2], s[3], s[4], s[5]), moments[0].data_ptr<float>(),
        moments[1].data_ptr<float>(), grad_y.data_ptr<float>(),
        {grad_x.data_ptr<float>(), grad_weight.data_ptr<float>(), grad_bias.data_ptr<float>(),
         data_or_null(grad_offset), data_or_null(grad_scale), data_or_null(grad_shift)});
    return {grad_x, grad_weight, grad_bias, grad_offset, grad_scale, grad_shift, {}, {}, {}};
  }
};

// --- Attention.

AttentionShape attention_shape(const at::Tensor& qkv, int64_t num_heads) {
  return {qkv.size(0), qkv.size(2) * qkv.size(3), num_heads, qkv.size(1) / (3 * num_heads)};
}

struct SelfAttention : Function<SelfAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, int64_t num_heads) {
    const at::Tensor qkv = input.contiguous(kChannelsLast);
    const AttentionShape shape = attention_shape(qkv, num_heads);
    at::Tensor out = image_like({qkv.size(0), qkv.size(1) / 3, qkv.size(2), qkv.size(3)});
    at::Tensor weights =
        at::empty({shape.batch, num_heads, shape.tokens, shape.tokens}, at::kFloat);
    attention_forward(shape, qkv.data_ptr<float>(), out.data_ptr<float>(),
                      weights.data_ptr<float>());
    if (context != nullptr) context->save_for_backward({qkv, weights});
    return out;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &qkv = saved[0], &weights = saved[1];
    const at::Tensor grad_out = gradients[0].contiguous(kChannelsLast),
                     grad_qkv = image_like(qkv.sizes());
    attention_backward(attention_shape(qkv, weights.size(1)), qkv.data_ptr<float>(),
                       weights.data_ptr<float>(), grad_out.data_ptr<float>(),
                       grad_qkv.data_ptr<float>());
    return {grad_qkv, {}};
  }
};

// --- Sum.

EQUIPOISE_SIMD void add_scaled(int64_t size, const float* a, const float* b, float factor,
                               float* sum) {
  for (int64_t i = 0; i < size; ++i) sum[i] = (a[i] + b[i]) * factor;
}

struct ScaledSum : Function<ScaledSum> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& a, const at::Tensor& b,
                            double factor) {
    const at::Tensor first = a.contiguous(kChannelsLast), second = b.contiguous(kChannelsLast);
    at::Tensor sum = image_like(first.sizes());
    add_scaled(sum.numel(), first.data_ptr<float>(), second.data_ptr<float>(),
               static_cast<float>(factor), sum.data_ptr<float>());
    if (context != nullptr) context->saved_data["factor"] = factor;
    return sum;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor gradient = gradients[0] * context->saved_data["factor"].toDouble();
    return {gradient, gradient, {}};
  }
};

// --- Dropout.

at::Tensor dropped(const at::Tensor& images, const at::Tensor& image_numbers,
                   const DropoutLaw& law) {
  const at::Tensor x = images.contiguous(kChannelsLast);
  at::Tensor y = image_like(x.sizes());
  dropout_rows(law, image_numbers.data_ptr<int64_t>(), x.size(0), x.numel() / x.size(0),
               x.data_ptr<float>(), y.data_ptr<float>());
  return y;
}

/// The mask is drawn again on the way back: that costs less than keeping it.
struct Dropout : Function<Dropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& image_numbers, const DropoutLaw& law) {
    if (context == nullptr) return dropped(x, image_numbers, law);
    context->save_for_backward({image_numbers});
    context->saved_data["key"] = static_cast<int64_t>(uint64_t{law.key.high} << 32 | law.key.low);
    context->saved_data["drop_below"] = int64_t{law.drop_below};
    context->saved_data["kept"] = double{law.kept};
    return dropped(x, image_numbers, law);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto key = static_cast<uint64_t>(context->saved_data["key"].toInt());
    const DropoutLaw law{
        .key = {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)},
        .drop_below = static_cast<uint32_t>(context->saved_data["drop_below"].toInt()),
        .kept = static_cast<float>(context->saved_data["kept"].toDouble())};
    return {dropped(gradients[0], context->get_saved_variables()[0], law), {}, {}};
  }
};

// --- Products with bytes.

struct ByteProducts : Function<ByteProducts> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& bytes) {
    const at::Tensor values = rows.contiguous(), images = bytes.contiguous();
    at::Tensor products = at::empty({values.size(0), images.size(0)}, values.options());
    multiply_bytes({values.size(0), images.size(0), images.size(1)}, values.data_ptr<float>(),
                   images.data_ptr<uint8_t>(), products.data_ptr<float>());
    if (context != nullptr) context->save_for_backward({images});
    return products;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor images = context->get_saved_variables()[0],
                     weights = gradients[0].contiguous();
    at::Tensor sums = at::empty({weights.size(0), images.size(1)}, weights.options());
    weighted_bytes({weights.size(0), images.size(0), images.size(1)}, weights.data_ptr<float>(),
                   images.data_ptr<uint8_t>(), sums.data_ptr<float>());
    return {sums, {}};
  }
};

}  // namespace

bool handles(const at::Tensor& x) {
  return x.dim() == 4 && x.scalar_type() == at::kFloat && x.device().is_cpu() && x.numel() > 0;
}

bool handles_convolution(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  const int64_t kernel = weight.size(-1);
  return handles(x) && weight.size(-2) == kernel && padding == kernel / 2 &&
         (kernel == 1 || kernel == 3);
}

bool handles_narrow_convolution(const at::Tensor& x, const at::Tensor& weight, int64_t padding) {
  return handles_convolution(x, weight, padding) &&
         has_bf16_convolution(conv_shape(x, weight), weight.size(-1));
}

bool handles_rows(const at::Tensor& rows) {
  return rows.dim() == 2 && rows.scalar_type() == at::kFloat && rows.device().is_cpu();
}

at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return run<Convolution>({&x, &weight, &bias}, x, weight, optional(bias));
}

at::Tensor narrow_convolution(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias) {
  return run<NarrowConvolution>({&x, &weight, &bias}, x, weight, optional(bias));
}

at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NormModulation& modulation, int64_t groups, double eps, bool use_silu) {
  const auto& [offset, scale, shift] = modulation;
  return run<Norm>({&x, &weight, &bias, &offset, &scale, &shift}, x, weight, bias, optional(offset),
                   optional(scale), optional(shift), groups, eps, use_silu);
}

at::Tensor self_attention(const at::Tensor& qkv, int64_t num_heads) {
  return run<SelfAttention>({&qkv}, qkv, num_heads);
}

at::Tensor scaled_sum(const at::Tensor& a, const at::Tensor& b, double factor) {
  return run<ScaledSum>({&a, &b}, a, b, factor);
}

at::Tensor dropout(const at::Tensor& x, const at::Tensor& image_numbers, const DropoutLaw& law) {
  return run<Dropout>({&x}, x, image_numbers.contiguous(), law);
}

at::Tensor byte_products(const at::Tensor& rows, const at::Tensor& bytes) {
  return run<ByteProducts>({&rows}, rows, bytes);
}

}  // namespace equipoise::nets::kernels
