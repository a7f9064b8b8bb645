// The density ratio of noised images that follows from one of clean images, without a network of
// its own.
#pragma once

#include "diffusion/density_ratio.h"

namespace equipoise::reweight {

/// l(x, sigma) = logit E[ d(x_0) | x_0 + sigma n = x ], where d(x_0) = sigmoid(l(x_0)) is what a
/// ratio of clean images says and x_0 follows the images of both sets, each set counting one half:
///
///   E[ d(x_0) | x ] = sum_j q_j d(x_j),   q_j ∝ exp(-|x - x_j|^2 / 2 sigma^2) / (size of j's set)
///
/// A discriminator trained at all noise levels tends to the same, because for given x_0 the noise
/// knows nothing of the set (tower property); with the images at hand the mean can be taken instead
/// of learnt. It is exact for these images and as good as d: with the exact d, sigma^2 times its
/// gradient is the difference of the two posterior means of x_0. For images that are not among them
/// it is good where sigma is not small against the distance between images; where one image is much
/// the nearest it is that one's, and its gradient vanishes.
///
/// Costs 4 M D operations an image with its gradient, for M images of D pixels, and the memory of
/// these images as they are given. Differentiable in x. Safe to share between threads.
class PosteriorRatio : public diffusion::DensityRatio {
 public:
  /// biased [N,…] and reference [M,…], where d is evaluated once: bytes (x_j = byte / 127.5 - 1)
  /// or float32.
  /// Throws: UsageError when a set is empty.
  PosteriorRatio(const diffusion::DensityRatio& of_clean, const at::Tensor& biased,
                 const at::Tensor& reference);

  /// sigma [B] > 0.
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels = {}) const override;

 private:
  at::Tensor products(const at::Tensor& rows) const;

  at::Tensor images_;       // [N+M,D]
  at::Tensor half_square_;  // |x_j|^2 / 2
  at::Tensor log_weight_;   // - log(size of j's set)
  at::Tensor probability_;  // d(x_j)
};

}  // namespace equipoise::reweight
