// The sentences of an examination: one rule, one function.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "reweight/ratio_diagnostics.h"

namespace equipoise::reweight {
namespace {

using Levels = std::vector<RatioLevel>;

constexpr double kMinEssFraction = 0.10;
constexpr double kMaxFaintFraction = 0.75;
constexpr double kMaxWeightDrift = 0.1;
constexpr double kMaxCalibrationGap = 0.05;
// A cross-entropy this far from ln 2, in nats, is a difference that matters.
constexpr double kBceMargin = 0.005;
constexpr double kStandardErrors = 3;

bool is_collapsed(const RatioLevel& level) {
  return level.ess_fraction < kMinEssFraction || level.faint_fraction > kMaxFaintFraction;
}

bool is_worse_than_guessing(const RatioLevel& level) {
  return level.bce - std::numbers::ln2 > std::max(kBceMargin, kStandardErrors * level.bce_error);
}

bool knows_nothing(const RatioLevel& level) {
  return std::numbers::ln2 - level.bce < kBceMargin;
}

double weight_drift(const RatioLevel& level) {
  return std::max(0.0, std::abs(level.mean_weight - 1) - kStandardErrors * level.mean_weight_error);
}

/// The level where `badness` is largest.
const RatioLevel& worst(const Levels& levels,
                        const std::function<double(const RatioLevel&)>& badness) {
  return *std::max_element(levels.begin(), levels.end(),
                           [&](const RatioLevel& left, const RatioLevel& right) {
                             return badness(left) < badness(right);
                           });
}

// Speaks of the lowest noise levels, where the chasm opens first.
std::optional<std::string> collapse(const Levels& levels) {
  const auto healthy = std::find_if_not(levels.begin(), levels.end(), is_collapsed);
  if (healthy == levels.begin()) return std::nullopt;
  const RatioLevel& lowest = levels.front();
  const std::string reach = healthy == levels.end()
                                ? "It is usable at none of the noise levels examined."
                                : fmt::format("It is usable from sigma {:.3g} up.", healthy->sigma);
  return fmt::format(
      "The ratio has collapsed (density chasm): at sigma {:.3g}, {:.0f} % of the biased images "
      "weigh less than 0.01 "
      "and the effective sample size is {:.1f} % of them. {}",
      lowest.sigma, 100 * lowest.faint_fraction, 100 * lowest.ess_fraction, reach);
}

std::optional<std::string> worse_than_guessing(const Levels& levels) {
  const RatioLevel& level = worst(levels, [](const RatioLevel& l) { return l.bce; });
  if (!is_worse_than_guessing(level)) return std::nullopt;
  return fmt::format(
      "On held-out images the ratio is worse than no ratio: its cross-entropy at sigma {:.3g} is "
      "{:.3f} nats, above "
      "ln 2 = {:.3f}. It has learned its training images by heart; use an earlier snapshot.",
      level.sigma, level.bce, std::numbers::ln2);
}

std::optional<std::string> nothing_learned(const Levels& levels) {
  if (!std::all_of(levels.begin(), levels.end(), knows_nothing)) return std::nullopt;
  if (std::any_of(levels.begin(), levels.end(), is_worse_than_guessing)) return std::nullopt;
  return std::string(
      "The ratio sees no difference between the two sets at any noise level: either there is none, "
      "or its training was "
      "too short.");
}

std::optional<std::string> drifted_weight(const Levels& levels) {
  const RatioLevel& level = worst(levels, weight_drift);
  if (weight_drift(level) <= kMaxWeightDrift) return std::nullopt;
  return fmt::format(
      "The mean weight is {:.2f} at sigma {:.3g} and should be 1: the ratio favours one set as a "
      "whole.",
      level.mean_weight, level.sigma);
}

std::optional<std::string> miscalibration(const Levels& levels) {
  const RatioLevel& level = worst(levels, [](const RatioLevel& l) { return l.calibration_gap; });
  if (level.calibration_gap <= kMaxCalibrationGap) return std::nullopt;
  return fmt::format(
      "The ratio is miscalibrated: at sigma {:.3g} its probabilities are off by {:.2f} on average, "
      "beyond what chance "
      "explains.",
      level.sigma, level.calibration_gap);
}

}  // namespace

std::vector<std::string> ratio_findings(const std::vector<RatioLevel>& levels) {
  std::vector<std::string> findings;
  for (const auto rule :
       {collapse, worse_than_guessing, nothing_learned, drifted_weight, miscalibration}) {
    if (auto finding = rule(levels)) findings.push_back(std::move(*finding));
  }
  return findings;
}

}  // namespace equipoise::reweight
