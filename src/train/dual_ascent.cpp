#include "train/dual_ascent.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::train {

DualAscent::DualAscent(const DualConfig& config, std::vector<double> thresholds,
                       std::vector<double> start)
    : config_(config), thresholds_(std::move(thresholds)), multipliers_(std::move(start)) {
  EQUIPOISE_ASSERT(thresholds_.size() == multipliers_.size());
  for (const double multiplier : multipliers_)
    check_range(multiplier, 0, config_.max_multiplier, "a constraint's first multiplier");
  if (config_.relaxation * config_.dual_step >= 1)
    throw UsageError({.where = "constraints.relaxation",
                      .what = "relaxed multipliers would swing instead of settling",
                      .got = fmt::format("relaxation {} with dual_step {}", config_.relaxation,
                                         config_.dual_step),
                      .expected = "a product below 1",
                      .hint = "Try a smaller constraints.dual_step"});
}

void DualAscent::step(const std::vector<double>& losses) {
  EQUIPOISE_ASSERT(losses.size() == multipliers_.size());
  ++num_steps_;
  bool is_capped = false;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (!std::isfinite(losses[i])) continue;
    const double slack = losses[i] - thresholds_[i] - 2 * config_.relaxation * multipliers_[i];
    const double moved = multipliers_[i] + config_.dual_step * slack;
    is_capped |= moved > config_.max_multiplier;
    multipliers_[i] = std::clamp(moved, 0.0, config_.max_multiplier);
  }
  num_capped_ += is_capped;
}

double DualAscent::total() const {
  return std::accumulate(multipliers_.begin(), multipliers_.end(), 0.0);
}

nlohmann::json DualAscent::state() const {
  return {{"multipliers", multipliers_}, {"num_steps", num_steps_}, {"num_capped", num_capped_}};
}

void DualAscent::restore(const nlohmann::json& state) {
  const auto multipliers = state.at("multipliers").get<std::vector<double>>();
  if (multipliers.size() != multipliers_.size())
    throw UsageError({.where = "constraints",
                      .what = "the checkpoint belongs to other constraints",
                      .got = fmt::format("{}", multipliers_.size()),
                      .expected = fmt::format("{}", multipliers.size()),
                      .hint = "Resume with the settings of the first start"});
  multipliers_ = multipliers;
  num_steps_ = state.at("num_steps");
  num_capped_ = state.at("num_capped");
}

std::vector<double> mixture_shares(const std::vector<double>& base,
                                   const std::vector<std::vector<double>>& parts,
                                   const std::vector<double>& multipliers) {
  EQUIPOISE_ASSERT(parts.size() == multipliers.size());
  std::vector<double> shares = base;
  double total = 1;
  for (size_t i = 0; i < parts.size(); ++i) {
    EQUIPOISE_ASSERT(parts[i].size() == base.size());
    total += multipliers[i];
    for (size_t k = 0; k < shares.size(); ++k) shares[k] += multipliers[i] * parts[i][k];
  }
  for (double& share : shares) share /= total;
  return shares;
}

}  // namespace equipoise::train
