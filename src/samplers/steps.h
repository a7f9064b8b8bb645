// What the steps of all solvers are made of: where a walker stands, the slope there, fresh noise.
#pragma once

#include <torch/types.h>

#include "samplers/sampler.h"

namespace equipoise::samplers {

/// A place an image may be evaluated at.
struct Place {
  at::Tensor x;      ///< [B,…] float64
  at::Tensor sigma;  ///< [B] float64, > 0
};

/// Noise level each walker stands at, and the one it steps to: [B] float64.
at::Tensor sigma_here(const at::Tensor& levels, const Walkers& walkers);
at::Tensor sigma_next(const at::Tensor& levels, const Walkers& walkers);

/// D and its guidance at a place.
diffusion::Estimate estimate(const diffusion::GuidedDenoiser& model, const Walkers& walkers,
                             const Place& place, bool is_correction = false);
/// dx/dsigma = (x - D_guided(x; sigma)) / sigma, float64.
at::Tensor slope(const diffusion::GuidedDenoiser& model, const Walkers& walkers, const Place& place,
                 bool is_correction = false);

/// Standard normal float64 in the shape of walkers.x: row i from stream (seed_base, kChurn, seeds[i],
/// num_taken[i]) alone.
at::Tensor step_noise(const Walkers& walkers);

/// The next place of a step that keeps eta of the noise a reverse Markov chain would draw anew:
///
///   x' = D + sqrt(sigma'^2 - s^2) / sigma (x - D) + s n,   s = eta sigma' sqrt(1 - sigma'^2 / sigma^2)
///
/// eta 0 is an Euler step of the ODE (and DDIM), eta 1 the posterior of the chain. sigma' may be 0.
/// Random: as step_noise; nothing is drawn when eta is 0.
at::Tensor ancestral_step(const Walkers& walkers, const Place& place, const at::Tensor& next,
                          const at::Tensor& denoised, double eta);

/// Puts the walkers down at the end of a step.
void arrive(Walkers& walkers, const at::Tensor& x);

}  // namespace equipoise::samplers
