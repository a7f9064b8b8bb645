#include "samplers/ddpm_levels.h"

#include <string>

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/adm_denoiser.h"
#include "samplers/steps.h"

namespace equipoise::samplers {

namespace {

diffusion::DdpmSchedule schedule_of(const DdpmLevelsConfig& config) {
  return {
      .law = config.betas == "cosine" ? diffusion::BetaLaw::kCosine : diffusion::BetaLaw::kLinear,
      .num_steps = config.train_steps};
}

void check_schedule(const DdpmLevelsConfig& config, const diffusion::Denoiser& denoiser) {
  const auto* discrete = dynamic_cast<const diffusion::AdmDenoiser*>(&denoiser);
  if (discrete == nullptr) return;
  const std::string asked = diffusion::to_string(schedule_of(config)),
                    known = diffusion::to_string(discrete->schedule());
  if (asked == known) return;
  throw UsageError({.where = "sampler.betas",
                    .what = "the model was trained on other noise levels",
                    .got = asked,
                    .expected = known,
                    .hint = "Set betas and train_steps to what the model has"});
}

}  // namespace

diffusion::DdpmChain ddpm_chain(const DdpmLevelsConfig& config) {
  return diffusion::ddpm_chain(schedule_of(config), config.steps);
}

at::Tensor ddpm_levels(const DdpmLevelsConfig& config, const diffusion::Denoiser& denoiser) {
  check_schedule(config, denoiser);
  const at::Tensor sigma = ddpm_chain(config).sigma().flip(0);
  const double highest = sigma[0].item<double>();
  if (highest > denoiser.sigma_max() * (1 + 1e-6))
    throw UsageError({.where = "sampler.betas",
                      .what = "the first noise level is above those the model knows",
                      .got = fmt::format("{:.4g}", highest),
                      .expected = fmt::format("at most {:.4g}", denoiser.sigma_max()),
                      .hint = "Sample this model with heun or euler_ancestral"});
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
