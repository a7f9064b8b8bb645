// Models that also predict how much noise a reverse step adds.
#pragma once

#include <utility>

#include "diffusion/denoiser.h"

namespace equipoise::diffusion {

/// A denoiser whose network has a second half of output channels v in [-1, 1]:
///
///   log Sigma = s log beta + (1 - s) log beta~,   s = (v + 1) / 2
///
/// A second interface of such denoisers, found by a cast from the first.
/// Source: Nichol and Dhariwal 2021 (arXiv:2102.09672), Eq. 15.
class LearnedVarianceDenoiser {
 public:
  virtual ~LearnedVarianceDenoiser() = default;
  /// D(x; sigma) and s, both the shape of x.
  virtual std::pair<at::Tensor, at::Tensor> denoise_with_variance(
      const at::Tensor& x, const at::Tensor& sigma, const Conditions& conditions) const = 0;
};

}  // namespace equipoise::diffusion
