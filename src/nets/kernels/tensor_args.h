// How tensors are handed to kernels and to autograd's functions.
#pragma once

#include <torch/types.h>

#include "nets/kernels/group_norm.h"

namespace equipoise::nets::kernels {

/// How autograd wants a tensor that may be undefined.
using Optional = c10::optional<at::Tensor>;

inline Optional optional(const at::Tensor& tensor) {
  return tensor.defined() ? Optional(tensor) : c10::nullopt;
}
inline at::Tensor rows_of(const Optional& tensor) {
  return tensor.has_value() ? tensor->contiguous() : at::Tensor();
}
inline float* data_or_null(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.data_ptr<float>() : nullptr;
}

/// x [B,C,H,W] channels-last.
inline NormShape norm_shape(const at::Tensor& x, int64_t groups, double eps, bool use_silu) {
  return {x.size(0), x.size(2) * x.size(3), x.size(1), groups, static_cast<float>(eps), use_silu};
}
inline NormInputs norm_inputs(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                              const at::Tensor& offset, const at::Tensor& scale,
                              const at::Tensor& shift) {
  return {x.data_ptr<float>(),  weight.data_ptr<float>(), bias.data_ptr<float>(),
          data_or_null(offset), data_or_null(scale),      data_or_null(shift)};
}

}  // namespace equipoise::nets::kernels
