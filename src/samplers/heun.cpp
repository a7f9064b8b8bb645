// The second-order solver: averages the slopes at both ends of each step.
#include "core/config.h"
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {
namespace {

class HeunSampler : public Sampler {
 public:
  explicit HeunSampler(const GridConfig& config) : config_(config) {}

  at::Tensor sample(const diffusion::Denoiser& denoiser,
                    const SamplingInput& input) const override {
    const at::NoGradGuard no_grad;
    const std::vector<double> grid = noise_grid(config_, denoiser);
    State state = start_state(input, grid.front());
    for (int64_t step = 0; step < config_.steps; ++step) {
      state = add_churn(config_, denoiser, input, state, step);
      const at::Tensor next = at::full_like(state.sigma, grid[static_cast<size_t>(step) + 1]);
      const at::Tensor stride = diffusion::per_item(next - state.sigma, state.x);
      const at::Tensor slope_here = slope(denoiser, state, input.conditions);
      State arrival{state.x + stride * slope_here, next};
      // The slope is not defined at noise level 0, so the last step stays first order.
      if (step + 1 < config_.steps) {
        const at::Tensor slope_there = slope(denoiser, arrival, input.conditions);
        arrival.x = state.x + stride * (0.5 * slope_here + 0.5 * slope_there);
      }
      state = arrival;
    }
    return state.x;
  }

  int64_t num_function_evaluations() const override { return 2 * config_.steps - 1; }

 private:
  GridConfig config_;
};

std::unique_ptr<Sampler> make_heun(const nlohmann::json& options) {
  GridConfig config;
  from_json(options, config, "sampler.options");
  return std::make_unique<HeunSampler>(config);
}

const bool kRegistered = SamplerRegistry::instance().add(
    {.name = "heun",
     .summary = "Second-order solver: two network calls a step, one at the last.",
     .source = "Karras et al. 2022 (arXiv:2206.00364), Alg. 1 (churn 0) and Alg. 2",
     .use_when = "the default; euler is cheaper for quick looks"},
    {.make = make_heun, .options_help = [] { return help_text(GridConfig{}); }});

}  // namespace
}  // namespace equipoise::samplers
