#include "nets/extractors/convolution.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

namespace equipoise::nets {
namespace {

// Rows (or columns) that windows reach beyond the image, on both sides together.
int64_t num_missing(int64_t size, int64_t kernel, int64_t stride) {
  const int64_t num_windows = (size + stride - 1) / stride;
  return std::max<int64_t>((num_windows - 1) * stride + kernel - size, 0);
}

struct Missing {
  int64_t rows = 0, columns = 0;
  bool is_even() const { return rows % 2 == 0 && columns % 2 == 0; }
};

Missing missing(const at::Tensor& x, int64_t height, int64_t width, int64_t stride,
                Padding padding) {
  if (padding == Padding::kValid) return {};
  return {num_missing(x.size(2), height, stride), num_missing(x.size(3), width, stride)};
}

at::Tensor padded(const at::Tensor& x, const Missing& m, double value) {
  return at::constant_pad_nd(
      x, {m.columns / 2, m.columns - m.columns / 2, m.rows / 2, m.rows - m.rows / 2}, value);
}

}  // namespace

at::Tensor Convolution::operator()(const at::Tensor& x) const {
  const int64_t groups = x.size(1) / weight.size(1);
  const Missing m = missing(x, weight.size(2), weight.size(3), stride, padding);
  if (m.is_even())
    return at::conv2d(x, weight, bias, stride, {m.rows / 2, m.columns / 2}, /*dilation=*/1, groups);
  return at::conv2d(padded(x, m, 0), weight, bias, stride, at::IntArrayRef(0), /*dilation=*/1,
                    groups);
}

Convolution folded(const Convolution& convolution, const at::Tensor& scale,
                   const at::Tensor& shift) {
  const at::Tensor factor = scale.to(at::kDouble);
  at::Tensor bias = shift.to(at::kDouble);
  if (convolution.bias.defined()) bias = bias + convolution.bias * factor;
  Convolution result = convolution;
  result.weight = (convolution.weight * factor.view({-1, 1, 1, 1})).to(at::kFloat);
  result.bias = bias.to(at::kFloat);
  return result;
}

at::Tensor max_pool(const at::Tensor& x, int64_t kernel, int64_t stride, Padding padding) {
  const Missing m = missing(x, kernel, kernel, stride, padding);
  if (m.is_even()) return at::max_pool2d(x, kernel, stride, {m.rows / 2, m.columns / 2});
  return at::max_pool2d(padded(x, m, -std::numeric_limits<double>::infinity()), kernel, stride);
}

}  // namespace equipoise::nets
