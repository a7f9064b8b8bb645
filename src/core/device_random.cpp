#include "core/device_random.h"

#include <vector>

#include "core/error.h"

#ifdef EQUIPOISE_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "core/device_random_kernels.h"
#endif

namespace equipoise::device {
namespace {

#ifdef EQUIPOISE_CUDA
/// A float32 tensor [indices.numel(), item_shape…] that `launch(rows, data, stream)` fills.
template <class Launch>
at::Tensor filled(PhiloxKey key, const at::Tensor& indices, at::IntArrayRef item_shape,
                  Launch launch) {
  EQUIPOISE_ASSERT(indices.scalar_type() == at::kLong && indices.is_cuda());
  const c10::cuda::CUDAGuard guard(indices.device());
  const at::Tensor row_indices = indices.contiguous();
  std::vector<int64_t> shape{row_indices.numel()};
  shape.insert(shape.end(), item_shape.begin(), item_shape.end());
  at::Tensor out = at::empty(shape, indices.options().dtype(at::kFloat));
  if (out.numel() == 0) return out;
  const StreamRows rows{.key = key,
                        .indices = row_indices.data_ptr<int64_t>(),
                        .num_rows = row_indices.numel(),
                        .width = out.numel() / row_indices.numel()};
  const int error = launch(rows, out.data_ptr<float>(), c10::cuda::getCurrentCUDAStream().stream());
  EQUIPOISE_ASSERT(error == 0);
  return out;
}
#else
[[noreturn]] at::Tensor without_cuda() {
  throw UsageError({.where = "device",
                    .what = "this program was built without CUDA",
                    .got = "numbers asked for on a CUDA device",
                    .expected = "device = \"cpu\"",
                    .hint = "Build with the gpu preset against a CUDA LibTorch"});
}
#endif

}  // namespace

#ifdef EQUIPOISE_CUDA
at::Tensor normal_rows(PhiloxKey key, const at::Tensor& indices, at::IntArrayRef item_shape) {
  return filled(key, indices, item_shape, fill_normal);
}

at::Tensor uniform_rows(PhiloxKey key, const at::Tensor& indices, at::IntArrayRef item_shape) {
  return filled(key, indices, item_shape, fill_uniform);
}

at::Tensor mask_rows(PhiloxKey key, const at::Tensor& indices, int64_t width, uint32_t drop_below,
                     float kept) {
  return filled(key, indices, {width}, [&](const StreamRows& rows, float* out, void* stream) {
    return fill_mask(rows, {.drop_below = drop_below, .kept = kept}, out, stream);
  });
}
#else
at::Tensor normal_rows(PhiloxKey, const at::Tensor&, at::IntArrayRef) {
  return without_cuda();
}

at::Tensor uniform_rows(PhiloxKey, const at::Tensor&, at::IntArrayRef) {
  return without_cuda();
}

at::Tensor mask_rows(PhiloxKey, const at::Tensor&, int64_t, uint32_t, float) {
  return without_cuda();
}
#endif

}  // namespace equipoise::device
