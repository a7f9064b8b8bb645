// The first-order solver: follows the slope at the start of each step.
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

class EulerSampler : public Sampler {
 public:
  explicit EulerSampler(const ChurnedGridConfig& config) : config_(config) {}

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return noise_grid(config_, denoiser);
  }
  bool is_stochastic() const override { return config_.churn > 0; }
  bool takes_churn() const override { return true; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const Place here = churned_place(config_, config_.steps, model, levels, walkers);
    const at::Tensor stride = diffusion::per_item(sigma_next(levels, walkers) - here.sigma, here.x);
    arrive(walkers, here.x + stride * slope(model, walkers, here));
  }

 private:
  ChurnedGridConfig config_;
};

const bool kRegistered = register_sampler<EulerSampler, ChurnedGridConfig>(
    {.name = "euler",
     .summary = "First-order solver: one network call a step.",
     .source = "Karras et al. 2022 (arXiv:2206.00364), Alg. 2 without its correction",
     .use_when =
         "for quick looks and for measuring the order of convergence; prefer heun for results"});

}  // namespace
}  // namespace equipoise::samplers
