// The first-order solver: follows the slope at the start of each step.
#include "core/config.h"
#include "diffusion/per_item.h"
#include "samplers/noise_grid.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {
namespace {

class EulerSampler : public Sampler {
 public:
  explicit EulerSampler(const GridConfig& config) : config_(config) {}

  at::Tensor sample(const diffusion::Denoiser& denoiser,
                    const SamplingInput& input) const override {
    const at::NoGradGuard no_grad;
    const std::vector<double> grid = noise_grid(config_, denoiser);
    State state = start_state(input, grid.front());
    for (int64_t step = 0; step < config_.steps; ++step) {
      state = add_churn(config_, denoiser, input, state, step);
      const at::Tensor next = at::full_like(state.sigma, grid[static_cast<size_t>(step) + 1]);
      const at::Tensor stride = diffusion::per_item(next - state.sigma, state.x);
      state = {state.x + stride * slope(denoiser, state, input.conditions), next};
    }
    return state.x;
  }

  int64_t num_function_evaluations() const override { return config_.steps; }

 private:
  GridConfig config_;
};

std::unique_ptr<Sampler> make_euler(const nlohmann::json& options) {
  GridConfig config;
  from_json(options, config, "sampler.options");
  return std::make_unique<EulerSampler>(config);
}

const bool kRegistered = SamplerRegistry::instance().add(
    {.name = "euler",
     .summary = "First-order solver: one network call a step.",
     .source = "Karras et al. 2022 (arXiv:2206.00364), Alg. 2 without its correction",
     .use_when =
         "for quick looks and for measuring the order of convergence; prefer heun for results"},
    {.make = make_euler, .options_help = [] { return help_text(GridConfig{}); }});

}  // namespace
}  // namespace equipoise::samplers
