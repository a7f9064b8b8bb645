// The EDM grid of noise levels and its churn, for solvers that step through them.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "core/fields.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {

/// Where the EDM grid lies. Defaults: 18 steps for 32x32 images.
struct GridConfig {
  int64_t steps = 18;
  double sigma_min = 0.002;
  double sigma_max = 80;
  double rho = 7;

  void fields(FieldVisitor& f) {
    f("steps", steps, "count", "noise levels walked through; 18 for 32x32 images, 40 for 64x64",
      {1, 10000});
    f("sigma_min", sigma_min, "", "lowest noise level before 0", {1e-6, 1e4});
    f("sigma_max", sigma_max, "", "noise level of the start", {1e-6, 1e4});
    f("rho", rho, "", "grid exponent: larger puts more steps at low noise", {1, 100});
  }
};

/// How much fresh noise a solver adds on its way.
struct ChurnConfig {
  double churn = 0;
  double churn_min = 0;
  double churn_max = 1000;
  double churn_noise = 1;

  void fields(FieldVisitor& f) {
    f("churn", churn, "", "fresh noise in all, spread over the steps; 0 = deterministic", {0, 1e4});
    f("churn_min", churn_min, "", "lowest noise level that is churned", {0, 1e4});
    f("churn_max", churn_max, "", "highest noise level that is churned", {0, 1e4});
    f("churn_noise", churn_noise, "", "standard deviation of the fresh noise", {0, 10});
  }
};

/// Options of solvers of the ODE on the grid.
struct ChurnedGridConfig : GridConfig, ChurnConfig {
  void fields(FieldVisitor& f) {
    GridConfig::fields(f);
    ChurnConfig::fields(f);
  }
};

/// The noise levels a solver visits: steps + 1 numbers, falling, the last one 0; [steps + 1] float64.
///
///   sigma_i = (sigma_max^(1/rho) + i/(steps-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho,  i = 0 … steps-1
///
/// Ends are clipped to the denoiser's range, levels rounded to those it knows.
/// Source: Karras et al. 2022 (arXiv:2206.00364), Eq. 5.
/// Throws: UsageError unless sigma_min < sigma_max after clipping.
at::Tensor noise_grid(const GridConfig& config, const diffusion::Denoiser& denoiser);

/// Where a step starts after its noise was raised from sigma to sigma (1 + gamma),
/// gamma = min(churn / num_steps, sqrt(2) - 1) within [churn_min, churn_max]. A guidance term may
/// want another churn for an image, then with fresh noise of deviation 1.
/// Random: as step_noise; nothing is drawn when gamma is 0 for all.
Place churned_place(const ChurnConfig& config, int64_t num_steps,
                    const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
                    const Walkers& walkers);

}  // namespace equipoise::samplers
