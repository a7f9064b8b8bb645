#include "samplers/ddpm_levels.h"

#include "samplers/steps.h"

namespace equipoise::samplers {

diffusion::DdpmChain ddpm_chain(const DdpmLevelsConfig& config) {
  const auto law =
      config.betas == "cosine" ? diffusion::BetaLaw::kCosine : diffusion::BetaLaw::kLinear;
  return diffusion::ddpm_chain({.law = law, .num_steps = config.train_steps}, config.steps);
}

at::Tensor ddpm_levels(const DdpmLevelsConfig& config) {
  const at::Tensor sigma = ddpm_chain(config).sigma().flip(0);
  return at::cat({sigma, at::zeros({1}, sigma.options())});
}

diffusion::Estimate ddpm_estimate(const DdpmLevelsConfig& config,
                                  const diffusion::GuidedDenoiser& model, const Walkers& walkers,
                                  const at::Tensor& levels) {
  diffusion::Estimate known = estimate(model, walkers, {walkers.x, sigma_here(levels, walkers)});
  if (config.clip) known.denoised = known.denoised.clamp(-1, 1);
  return known;
}

}  // namespace equipoise::samplers
