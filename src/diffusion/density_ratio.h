// The density-ratio interface used by objectives and, later, guidance: log p_data^sigma(x) - log
// p_bias^sigma(x).
#pragma once

#include <torch/types.h>

namespace equipoise::diffusion {

/// l(x, sigma) = log p_data^sigma(x) - log p_bias^sigma(x), the log-odds of a discriminator (label
/// 1 = reference) or a closed form. Implementations never let gradients reach their own parameters.
class DensityRatio {
 public:
  virtual ~DensityRatio() = default;
  /// Shapes: x [B,C,H,W] or [B,D] float32 in the images' own (VE) scale; sigma [B] >= 0; returns
  /// [B] float32.
  /// Differentiable with respect to x when x requires a gradient.
  /// A time-independent ratio ignores sigma and is only meant for clean x.
  virtual at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma) const = 0;
};

}  // namespace equipoise::diffusion
