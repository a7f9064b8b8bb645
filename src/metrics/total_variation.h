// Distance of group shares to a stated target, in one number.
#pragma once

#include <vector>

#include "metrics/share_distances.h"

namespace equipoise::metrics {

/// TV(p, q) = 1/2 sum_g |p_g - q_g|: the share of samples that would have to change group.
double total_variation_distance(const std::vector<double>& p, const std::vector<double>& q);

/// Total variation of raw shares to `target`, by measure_distance.
MeasuredDistance total_variation(const Counts& counts, const std::vector<double>& target,
                                 const BootstrapOptions& options = {});
/// The same of shares corrected for the classifier's errors, by measure_corrected_distance.
MeasuredDistance corrected_total_variation(const Counts& counts, const ConfusionMatrix& confusion,
                                           const std::vector<double>& target,
                                           const BootstrapOptions& options = {});

}  // namespace equipoise::metrics
