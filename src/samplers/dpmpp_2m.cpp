// DPM-Solver++ (2M): second order from one denoiser call a step, by remembering the step before.
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

struct Dpmpp2mConfig : GridConfig {
  double eta = 0;

  void fields(FieldVisitor& f) {
    GridConfig::fields(f);
    f("eta", eta, "", "fresh noise: 0 = the ODE, 1 = the reverse SDE", {0, 1});
  }
};

/// With h = log sigma - log sigma', k = h (1 + eta), r = h_before / h:
///
///   x' = sigma'/sigma e^(-eta h) x + (1 - e^(-k)) (D + (D - D_before) / (2 r)) + sigma' sqrt(1 - e^(-2 eta h)) n
///
/// The first step, the first after an image was sent back, and the last (to sigma' = 0, where
/// x' = D) are of first order.
class Dpmpp2mSampler : public Sampler {
 public:
  explicit Dpmpp2mSampler(const Dpmpp2mConfig& config) : config_(config) {}

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return noise_grid(config_, denoiser);
  }
  bool is_stochastic() const override { return config_.eta > 0; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const Place here{walkers.x, sigma_here(levels, walkers)};
    const at::Tensor next = sigma_next(levels, walkers);
    const at::Tensor denoised = estimate(model, walkers, here).guided();
    const at::Tensor h = here.sigma.log() - next.log();  // infinite at the last step
    const at::Tensor shrink = (-(1 + config_.eta) * h).exp();
    const auto each = [&](const at::Tensor& values) { return diffusion::per_item(values, here.x); };
    at::Tensor target = denoised;
    if (walkers.memory.defined()) {
      const at::Tensor before =
          levels.index_select(0, walkers.memory_level.clamp_min(0)).log() - here.sigma.log();
      // Levels that a model rounds to the same one leave nothing to extrapolate from.
      const at::Tensor is_second_order =
          (walkers.memory_level >= 0).logical_and(next > 0).logical_and(before > 0);
      const at::Tensor strength = at::where(is_second_order, 0.5 * h / before, at::zeros_like(h));
      target = denoised + each(strength) * (denoised - walkers.memory);
    }
    at::Tensor x =
        each(next / here.sigma * at::where(next > 0, (-config_.eta * h).exp(), at::zeros_like(h))) *
            here.x +
        each(1 - shrink) * target;
    if (config_.eta > 0)
      x = x + each(next * (1 - (-2 * config_.eta * h).exp()).sqrt()) * step_noise(walkers);
    walkers.memory = denoised;
    walkers.memory_level = walkers.level;
    arrive(walkers, x);
  }

 private:
  Dpmpp2mConfig config_;
};

const bool kRegistered = register_sampler<Dpmpp2mSampler, Dpmpp2mConfig>(
    {.name = "dpmpp_2m",
     .summary = "Second-order multistep solver, one network call a step; deterministic or not.",
     .source = "Lu et al. 2022 (arXiv:2211.01095), Alg. 2 and App. A of its SDE form",
     .use_when = "for good images from few network calls; heun when calls do not matter"});

}  // namespace
}  // namespace equipoise::samplers
