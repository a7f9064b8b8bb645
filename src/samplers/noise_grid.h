// What all solvers on a fixed grid share: the grid of noise levels, the noise that churn adds, and
// the slope they follow.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "core/fields.h"
#include "diffusion/denoiser.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {

/// Options of solvers on the EDM grid. Defaults: the deterministic 18-step solver for 32x32 images.
struct GridConfig {
  int64_t steps = 18;
  double sigma_min = 0.002;
  double sigma_max = 80;
  double rho = 7;
  double churn = 0;
  double churn_min = 0;
  double churn_max = 1000;
  double churn_noise = 1;

  void fields(FieldVisitor& f) {
    f("steps", steps, "count", "noise levels walked through; 18 for 32x32 images, 40 for 64x64",
      {1, 10000});
    f("sigma_min", sigma_min, "", "lowest noise level before 0", {1e-6, 1e4});
    f("sigma_max", sigma_max, "", "noise level of the start", {1e-6, 1e4});
    f("rho", rho, "", "grid exponent: larger puts more steps at low noise", {1, 100});
    f("churn", churn, "", "fresh noise in all, spread over the steps; 0 = deterministic", {0, 1e4});
    f("churn_min", churn_min, "", "lowest noise level that is churned", {0, 1e4});
    f("churn_max", churn_max, "", "highest noise level that is churned", {0, 1e4});
    f("churn_noise", churn_noise, "", "standard deviation of the fresh noise", {0, 10});
  }
};

/// The noise levels a solver visits: steps + 1 numbers, falling, the last one 0.
///
///   sigma_i = (sigma_max^(1/rho) + i/(steps-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho,  i = 0 … steps-1
///
/// Ends are clipped to the denoiser's range, levels rounded to those it knows.
/// Source: Karras et al. 2022 (arXiv:2206.00364), Eq. 5.
/// Throws: UsageError unless sigma_min < sigma_max after clipping.
std::vector<double> noise_grid(const GridConfig& config, const diffusion::Denoiser& denoiser);

/// An image batch at its noise levels.
struct State {
  at::Tensor x;      ///< [B,…] float64
  at::Tensor sigma;  ///< [B] float64
};

/// Latents scaled to the first noise level.
State start_state(const SamplingInput& input, double sigma);

/// Raises the noise from sigma to sigma (1 + gamma), gamma = min(churn / steps, sqrt(2) - 1) within
/// [churn_min, churn_max].
/// Random: image i draws from stream (seed_base, kChurn, seeds[i], step) alone; nothing when gamma
/// is 0.
State add_churn(const GridConfig& config, const diffusion::Denoiser& denoiser,
                const SamplingInput& input, State state, int64_t step);

/// dx/dsigma = (x - D(x; sigma)) / sigma, float64.
at::Tensor slope(const diffusion::Denoiser& denoiser, const State& state,
                 const diffusion::Conditions& conditions);

}  // namespace equipoise::samplers
