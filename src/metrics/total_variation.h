// Distance of group shares to a stated target, in one number.
#pragma once

#include <vector>

#include "metrics/intervals.h"
#include "metrics/shares.h"

namespace equipoise::metrics {

/// TV(p, q) = 1/2 sum_g |p_g - q_g|: the share of samples that would have to change group.
double total_variation_distance(const std::vector<double>& p, const std::vector<double>& q);

/// A measured total variation. It is positive even for samples drawn from the target itself, the
/// more so the fewer they are, so it is only read next to what such samples would show:
struct TotalVariation {
  Interval interval;
  double floor = 0;  ///< mean of the same measurement when the true shares are the target
  /// its `level` quantile: a value below is not distinguishable from the target
  double floor_high = 0;
};

/// Total variation of raw shares (counts / total) to `target`.
///
/// Interval: bootstrap quantiles centred on the value, reaching down by the bias that resampling
/// shows, and down to 0 when the value is below floor_high. Covers the true distance at 0.91 to
/// 0.98 for a nominal 0.95 (simulated: 2 and 10 groups, 200 to 1,000 samples), least where the
/// distance is half of floor_high.
/// Random: bootstrap streams of `options` and, for the floor, of part + 1.
/// Throws: UsageError when sizes disagree, counts are all zero, or the target is no distribution.
TotalVariation total_variation(const Counts& counts, const std::vector<double>& target,
                               const BootstrapOptions& options = {});
/// The same of shares corrected for the classifier's errors; interval and floor carry the confusion
/// matrix's own error.
TotalVariation corrected_total_variation(const Counts& counts, const ConfusionMatrix& confusion,
                                         const std::vector<double>& target,
                                         const BootstrapOptions& options = {});

}  // namespace equipoise::metrics
