// The Denoiser interface: D(x; sigma), the posterior mean of the clean image. Score = (D - x) /
// sigma^2.
#pragma once

#include <limits>

#include <torch/types.h>

#include "nets/network.h"

namespace equipoise::diffusion {

using nets::Conditions;

/// D(x; sigma) for any batch, every image at its own noise level. Networks, closed-form laws and
/// (later) guided denoisers all implement it, so samplers and objectives know nothing else.
class Denoiser {
 public:
  virtual ~Denoiser() = default;
  /// Shapes: x [B,C,H,W] or [B,D] in the images' own (VE) scale, float32 or float64; sigma [B],
  /// same device, > 0.
  /// Returns the shape of x: float32 from networks, x's own type from closed forms. Differentiable
  /// where autograd is on.
  virtual at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                             const Conditions& conditions = {}) const = 0;
  /// Noise range the model was made for; samplers clip their grids to it.
  virtual double sigma_min() const { return 0; }
  virtual double sigma_max() const { return std::numeric_limits<double>::infinity(); }
  /// Nearest noise level the model knows (identity but for discrete-time models). Shape [B]
  /// float64.
  virtual at::Tensor round_sigma(const at::Tensor& sigma) const { return sigma; }
};

}  // namespace equipoise::diffusion
