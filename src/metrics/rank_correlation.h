// Spearman's rank correlation.
#pragma once

#include <vector>

namespace equipoise::metrics {

/// Pearson's correlation of the ranks of x and y, ties sharing their mean rank: 1 when y rises with
/// x, -1 when it falls. NaN for fewer than two points, or when either is constant or holds a NaN.
/// Source: Spearman 1904. Throws UsageError when the counts differ.
double rank_correlation(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace equipoise::metrics
