// The second-order solver: averages the slopes at both ends of each step.
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

class HeunSampler : public Sampler {
 public:
  explicit HeunSampler(const ChurnedGridConfig& config) : config_(config) {}

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return noise_grid(config_, denoiser);
  }
  // The slope is not defined at noise level 0, so the last step stays first order.
  int64_t calls_of_step(int64_t level) const override { return level + 1 < config_.steps ? 2 : 1; }
  bool is_stochastic() const override { return config_.churn > 0; }
  bool takes_churn() const override { return true; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const Place here = churned_place(config_, config_.steps, model, levels, walkers);
    const at::Tensor next = sigma_next(levels, walkers);
    const at::Tensor stride = diffusion::per_item(next - here.sigma, here.x);
    const at::Tensor slope_here = slope(model, walkers, here);
    at::Tensor arrival = here.x + stride * slope_here;
    const at::Tensor rows = next.nonzero().squeeze(1);
    if (rows.numel() > 0) {
      const auto of = [&rows](const at::Tensor& values) { return values.index_select(0, rows); };
      const at::Tensor slope_there =
          slope(model, pick(walkers, rows), {of(arrival), of(next)}, /*is_correction=*/true);
      const at::Tensor corrected =
          of(here.x) + of(stride) * (0.5 * of(slope_here) + 0.5 * slope_there);
      arrival.index_copy_(0, rows, corrected);
    }
    arrive(walkers, arrival);
  }

 private:
  ChurnedGridConfig config_;
};

const bool kRegistered = register_sampler<HeunSampler, ChurnedGridConfig>(
    {.name = "heun",
     .summary = "Second-order solver: two network calls a step, one at the last.",
     .source = "Karras et al. 2022 (arXiv:2206.00364), Alg. 1 (churn 0) and Alg. 2",
     .use_when = "the default; euler is cheaper for quick looks"});

}  // namespace
}  // namespace equipoise::samplers
