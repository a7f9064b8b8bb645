// Two models whose i-th samples started from the same latents: is one better than the other?
//
// Images are resampled in pairs, so that what both models owe to the latents cancels. Intervals of
// each model apart ignore that and need far more samples to tell two models apart.
#pragma once

#include <functional>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "metrics/frechet.h"
#include "metrics/intervals.h"

namespace equipoise::audit {

struct PairedDifference {
  metrics::Interval interval;  ///< first less second
  /// Two-sided: the level 1 - p_value at which the interval just reaches 0.
  double p_value = 1;
  bool is_distinguishable = false;  ///< 0 lies outside the interval
};

/// A model's number over the images `rows` [n] int64, which may name an image more than once.
using StatisticOfRows = std::function<double(const at::Tensor& rows)>;

/// Centred bootstrap over images 0 ... num_images - 1 of the difference of two statistics.
///
/// False alarms: models of one law are called distinguishable at a rate near 1 - level, less where
/// both reach the target. Simulated at 0.95, models that agree on 0 to 9 of 10 images, 500 trials
/// or more each: total variation 0.04 to 0.08 off the target and 0.00 to 0.03 on it (2 and 10
/// groups, 200 and 1,000 images); Fréchet distance 0.04 to 0.06 off the reference and 0.01 on it (8
/// features, 500 images).
/// Random: bootstrap streams of `options`.
/// Throws: UsageError for fewer than two images.
PairedDifference paired_difference(int64_t num_images, const StatisticOfRows& first,
                                   const StatisticOfRows& second,
                                   const metrics::BootstrapOptions& options = {});

/// Of the total variation of raw shares to `target`. Shapes: groups [N] int64, both models'.
/// Throws: UsageError on shapes, and for groups without a target.
PairedDifference paired_total_variation(const at::Tensor& first_groups,
                                        const at::Tensor& second_groups,
                                        const std::vector<double>& target,
                                        const metrics::BootstrapOptions& options = {});
/// Of the Fréchet distance to `reference`. Shapes: features [N,F], both models'.
/// Throws: UsageError on shapes. Cost: two sets of eigenvalues [F,F] a replicate.
PairedDifference paired_frechet(const at::Tensor& first_features, const at::Tensor& second_features,
                                const metrics::FrechetReference& reference,
                                const metrics::BootstrapOptions& options = {.num_replicates = 200});

/// The interval with "p_value", "is_distinguishable" and "false_alarm_rate" (1 - level).
nlohmann::ordered_json to_json(const PairedDifference& difference);

}  // namespace equipoise::audit
