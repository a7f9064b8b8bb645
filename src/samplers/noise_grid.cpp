#include "samplers/noise_grid.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "diffusion/per_item.h"

namespace equipoise::samplers {
namespace {

const double kMaxChurnPerStep = std::sqrt(2.0) - 1;

double rounded(const diffusion::Denoiser& denoiser, double sigma) {
  return denoiser.round_sigma(at::full({1}, sigma, at::kDouble)).item<double>();
}

}  // namespace

at::Tensor noise_grid(const GridConfig& config, const diffusion::Denoiser& denoiser) {
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
  return at::tensor(grid, at::kDouble);
}

Place churned_place(const ChurnConfig& config, int64_t num_steps,
                    const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
                    const Walkers& walkers) {
  const Place place{walkers.x, sigma_here(levels, walkers)};
  const at::Tensor wanted = model.wanted_churn({.x = place.x,
                                                .sigma = place.sigma,
                                                .level = walkers.level,
                                                .seeds = walkers.seeds,
                                                .conditions = walkers.conditions});
  if (config.churn == 0 && !wanted.defined()) return place;
  at::Tensor churn = at::full_like(place.sigma, config.churn);
  at::Tensor deviation = at::full_like(place.sigma, config.churn_noise);
  if (wanted.defined()) {
    churn = at::where(wanted.isnan(), churn, wanted);
    deviation = at::where(wanted.isnan(), deviation, at::ones_like(deviation));
  }
  const at::Tensor is_churned =
      (place.sigma >= config.churn_min).logical_and(place.sigma <= config.churn_max);
  const at::Tensor gamma =
      (churn / static_cast<double>(num_steps)).clamp_max(kMaxChurnPerStep) * is_churned;
  if (!gamma.any().item<bool>()) return place;
  const at::Tensor raised = model.denoiser().round_sigma(place.sigma + gamma * place.sigma);
  const at::Tensor added = (raised.square() - place.sigma.square()).clamp_min(0).sqrt() * deviation;
  return {place.x + diffusion::per_item(added, place.x) * step_noise(walkers), raised};
}

}  // namespace equipoise::samplers
