// Group norm, its modulation and SiLU in two passes over the image, which stays in a core's cache
// meanwhile.
//
//   u = x + offset;  h = (u - mean_g(u)) / sqrt(var_g(u) + eps);  z = (h weight + bias)(1 + scale) + shift;  y = z or z sigmoid(z)
//
// Layout: x, y [N, pixels, C] (channels innermost); weight, bias [C]; offset, scale, shift [N, C].
// On the calling thread.
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

struct NormShape {
  int64_t batch, pixels, channels, groups;
  float eps;
  bool use_silu;
};

/// offset may be null; scale and shift are null together.
struct NormInputs {
  const float *x, *weight, *bias, *offset, *scale, *shift;
};

/// Writes y, and for the backward pass mean and inverse deviation, each [N, groups].
void group_norm_forward(const NormShape& shape, const NormInputs& inputs, float* y, float* mean,
                        float* inverse);

/// Where the gradients go, overwritten; null where an input was null.
struct NormGradients {
  float *x, *weight, *bias, *offset, *scale, *shift;
};
void group_norm_backward(const NormShape& shape, const NormInputs& inputs, const float* mean,
                         const float* inverse, const float* grad_y, const NormGradients& gradients);

}  // namespace equipoise::nets::kernels
