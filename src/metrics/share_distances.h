// Distances of group shares p to a stated target q, and how any such distance is measured.
//
//   total variation  1/2 sum |p - q|                   share of samples that would have to change group
//   Hellinger        (1/2 sum (sqrt p - sqrt q)^2)^1/2  0 to 1; weighs a group that is lost more
//   KL               sum p ln(p / q)                   nats; what is lost by taking samples for the target
//   chi-square       sum (p - q)^2 / q                 Pearson's statistic over n; a group that is rare in
//                                                      the target and common in the samples rules it
//
// Total variation has a file of its own (total_variation.h) and is the one to start with. KL and
// chi-square are infinite when a group has samples and a target of 0.
#pragma once

#include <limits>
#include <vector>

#include "metrics/intervals.h"
#include "metrics/shares.h"

namespace equipoise::metrics {

struct ShareDistance {
  double (*between)(const std::vector<double>& shares, const std::vector<double>& target);
  double largest = std::numeric_limits<double>::infinity();
  /// Some group's target of 0 can make it infinite.
  bool needs_positive_target = false;
};

double hellinger_distance(const std::vector<double>& p, const std::vector<double>& q);
double kl_divergence(const std::vector<double>& p, const std::vector<double>& q);
double chi_square_divergence(const std::vector<double>& p, const std::vector<double>& q);

/// A measured distance. It is positive even for samples drawn from the target itself, the more so
/// the fewer they are, so it is only read next to what such samples would show:
struct MeasuredDistance {
  Interval interval;
  double floor = 0;  ///< mean of the same measurement when the true shares are the target
  /// its `level` quantile: a value below is not distinguishable from the target
  double floor_high = 0;
};

/// Distance of raw shares (counts / total) to `target`.
///
/// Interval: bootstrap quantiles centred on the value, reaching down by the bias that resampling
/// shows, and down to 0 when the value is below floor_high. Covers the true distance, for a nominal
/// 0.95, at 0.91 to 0.98 (total variation, Hellinger) and 0.92 to 1 (KL, chi-square; the more the
/// nearer to the target): simulated with 2 and 10 groups, 200 to 1,000 samples.
/// Random: bootstrap streams of `options` and, for the floor, of part + 1.
/// Throws: UsageError when sizes disagree, counts are all zero, the target is no distribution, or
/// has a 0 that the distance cannot bear.
MeasuredDistance measure_distance(const ShareDistance& distance, const Counts& counts,
                                  const std::vector<double>& target,
                                  const BootstrapOptions& options = {});
/// The same of shares corrected for the classifier's errors; interval and floor carry the confusion
/// matrix's own error.
MeasuredDistance measure_corrected_distance(const ShareDistance& distance, const Counts& counts,
                                            const ConfusionMatrix& confusion,
                                            const std::vector<double>& target,
                                            const BootstrapOptions& options = {});

/// The interval with "floor" and "floor_high".
nlohmann::ordered_json to_json(const MeasuredDistance& measured);

}  // namespace equipoise::metrics
