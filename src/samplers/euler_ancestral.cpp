// Euler steps that put fresh noise in place of old noise.
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

struct EulerAncestralConfig : GridConfig {
  double eta = 1;

  void fields(FieldVisitor& f) {
    GridConfig::fields(f);
    f("eta", eta, "", "share of fresh noise: 0 = the ODE, 1 = a reverse Markov chain", {0, 1});
  }
};

class EulerAncestralSampler : public Sampler {
 public:
  explicit EulerAncestralSampler(const EulerAncestralConfig& config) : config_(config) {}

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return noise_grid(config_, denoiser);
  }
  bool is_stochastic() const override { return config_.eta > 0; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const Place here{walkers.x, sigma_here(levels, walkers)};
    const at::Tensor denoised = estimate(model, walkers, here).guided();
    arrive(walkers,
           ancestral_step(walkers, here, sigma_next(levels, walkers), denoised, config_.eta));
  }

 private:
  EulerAncestralConfig config_;
};

const bool kRegistered = register_sampler<EulerAncestralSampler, EulerAncestralConfig>(
    {.name = "euler_ancestral",
     .summary = "Euler steps on the EDM grid with fresh noise at each.",
     .source = "Ho et al. 2020 (arXiv:2006.11239), Eq. 7, on the grid of Karras et al. 2022",
     .use_when = "for exact rejection, which needs noise at every step; heun for quality"});

}  // namespace
}  // namespace equipoise::samplers
