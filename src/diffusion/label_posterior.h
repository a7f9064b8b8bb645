// The probability of labels given a noisy image: what classifier guidance and label-noise methods
// ask for.
#pragma once

#include <cstdint>

#include <torch/types.h>

namespace equipoise::diffusion {

/// log p(y | x, sigma) for every label y: a classifier of noisy images or a closed form.
/// Implementations never let gradients reach their own parameters.
class LabelPosterior {
 public:
  virtual ~LabelPosterior() = default;
  virtual int64_t num_labels() const = 0;
  /// Shapes: x [B,C,H,W] or [B,D] in the images' own (VE) scale; sigma [B] >= 0; returns
  /// [B, num_labels], each row's exponentials summing to 1. Differentiable in x when x requires a
  /// gradient.
  virtual at::Tensor log_posterior(const at::Tensor& x, const at::Tensor& sigma) const = 0;
};

}  // namespace equipoise::diffusion
