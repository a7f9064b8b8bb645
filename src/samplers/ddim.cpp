// DDIM: steps of a discrete-time model's ODE, with as much fresh noise as wanted.
#include "samplers/ddpm_levels.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

struct DdimConfig : DdpmLevelsConfig {
  double eta = 0;

  void fields(FieldVisitor& f) {
    DdpmLevelsConfig::fields(f);
    f("eta", eta, "", "share of fresh noise: 0 = deterministic, 1 = ancestral", {0, 1});
  }
};

/// Guidance enters as eps - sqrt(1 - abar) c: the same as D + sigma^2 c in the scale used here.
class DdimSampler : public Sampler {
 public:
  explicit DdimSampler(const DdimConfig& config) : config_(config) {
    ddpm_chain(config);  // refuses more steps than the model has, before any model is there
  }

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return ddpm_levels(config_, denoiser);
  }
  bool is_stochastic() const override { return config_.eta > 0; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const Place here{walkers.x, sigma_here(levels, walkers)};
    const at::Tensor denoised = ddpm_estimate(config_, model, walkers, levels).guided();
    arrive(walkers,
           ancestral_step(walkers, here, sigma_next(levels, walkers), denoised, config_.eta));
  }

 private:
  DdimConfig config_;
};

const bool kRegistered = register_sampler<DdimSampler, DdimConfig>(
    {.name = "ddim",
     .summary = "Steps on a discrete-time model's own noise levels; eta from ODE to ancestral.",
     .source = "Song et al. 2021 (arXiv:2010.02502), Eq. 12",
     .use_when = "for discrete-time models in few steps; ddpm for many"});

}  // namespace
}  // namespace equipoise::samplers
