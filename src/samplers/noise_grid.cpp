#include "samplers/noise_grid.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/per_item.h"

namespace equipoise::samplers {
namespace {

const double kMaxChurnPerStep = std::sqrt(2.0) - 1;

double rounded(const diffusion::Denoiser& denoiser, double sigma) {
  return denoiser.round_sigma(at::full({1}, sigma, at::kDouble)).item<double>();
}

}  // namespace

std::vector<double> noise_grid(const GridConfig& config, const diffusion::Denoiser& denoiser) {
  const double low = std::max(config.sigma_min, denoiser.sigma_min());
  const double high = std::min(config.sigma_max, denoiser.sigma_max());
  if (low >= high) {
    throw UsageError({.where = "sampler.sigma_min",
                      .what = "no noise levels to walk through",
                      .got = fmt::format("{} to {}", low, high),
                      .expected = "sigma_min below sigma_max, within the model's range",
                      .hint = ""});
  }
  const double first = std::pow(high, 1 / config.rho);
  const double last = std::pow(low, 1 / config.rho);
  const auto num_gaps = static_cast<double>(std::max<int64_t>(config.steps - 1, 1));
  std::vector<double> grid;
  for (int64_t i = 0; i < config.steps; ++i) {
    const double position = static_cast<double>(i) / num_gaps;
    grid.push_back(rounded(denoiser, std::pow(first + position * (last - first), config.rho)));
  }
  grid.push_back(0);
  return grid;
}

State start_state(const SamplingInput& input, double sigma) {
  const at::Tensor x = input.latents.to(at::kDouble) * sigma;
  return {x, at::full({x.size(0)}, sigma, x.options())};
}

State add_churn(const GridConfig& config, const diffusion::Denoiser& denoiser,
                const SamplingInput& input, State state, int64_t step) {
  const at::Tensor is_churned =
      (state.sigma >= config.churn_min).logical_and(state.sigma <= config.churn_max);
  const double gamma = std::min(config.churn / static_cast<double>(config.steps), kMaxChurnPerStep);
  if (gamma == 0 || !is_churned.any().item<bool>()) return state;
  const at::Tensor raised =
      denoiser.round_sigma(state.sigma + gamma * is_churned.to(at::kDouble) * state.sigma);
  const at::Tensor added =
      (raised.square() - state.sigma.square()).clamp_min(0).sqrt() * config.churn_noise;
  const at::Tensor noise = random_normal(input.seed_base, Purpose::kChurn, input.seeds,
                                         state.x.sizes().slice(1), static_cast<uint32_t>(step));
  return {state.x + diffusion::per_item(added, state.x) * noise.to(state.x.options()), raised};
}

at::Tensor slope(const diffusion::Denoiser& denoiser, const State& state,
                 const diffusion::Conditions& conditions) {
  const at::Tensor denoised = denoiser.denoise(state.x, state.sigma, conditions).to(at::kDouble);
  return (state.x - denoised) / diffusion::per_item(state.sigma, state.x);
}

}  // namespace equipoise::samplers
