// The density-ratio interface used by objectives, guidance and rejection: log p_data^sigma(x) -
// log p_bias^sigma(x).
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
  /// `labels` [B,label_dim] float: for ratios within classes, ignored by others.
  virtual at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                               const at::Tensor& labels = {}) const = 0;
};

}  // namespace equipoise::diffusion
