// How often each group occurs among samples that a classifier has sorted, and how often after the
// classifier's own errors are taken out.
//
// With pi the true shares and M[g][j] the rate at which the classifier calls group g "j",
// predictions follow pi^T M. Inverting M gives shares outside [0,1] as soon as a group is rare;
// here pi is the maximum-likelihood point of the simplex instead (the multinomial mixture's EM),
// which always is a distribution.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "metrics/intervals.h"

namespace equipoise::metrics {

/// Images per group.
using Counts = std::vector<int64_t>;
/// Images by true group (row) and predicted group (column).
using ConfusionMatrix = std::vector<Counts>;

int64_t total(const Counts& counts);
/// Counts of the values 0 … num_groups-1 in `groups` [N] int64. Throws UsageError on any other
/// value.
Counts count_groups(const at::Tensor& groups, int64_t num_groups);
/// Confusion matrix of two label vectors [N] int64. Throws UsageError on lengths or values that do
/// not fit.
ConfusionMatrix confusion_matrix(const at::Tensor& true_groups, const at::Tensor& predicted_groups,
                                 int64_t num_groups);
/// Share of images on the diagonal, with its Wilson interval.
Interval accuracy(const ConfusionMatrix& confusion, double level = 0.95);
/// counts / total as doubles.
std::vector<double> to_shares(const Counts& counts);
/// Rows divided by their sums: M[g][j]. Throws UsageError naming a group without any image, or when
/// it is not square.
std::vector<std::vector<double>> to_rates(const ConfusionMatrix& confusion);
/// How often each group is predicted where the true shares are these: sum_g shares[g] rates[g][j].
std::vector<double> predicted_law(const std::vector<double>& shares,
                                  const std::vector<std::vector<double>>& rates);

/// Wilson interval of every group's share of `counts`.
std::vector<Interval> share_intervals(const Counts& counts, double level = 0.95);

/// Maximum-likelihood shares behind predicted shares, by EM from the uniform distribution:
///
///   pi_g <- pi_g sum_j observed_j M[g][j] / (sum_h pi_h M[h][j])
///
/// After every two rounds their step is extrapolated as far as the likelihood does not fall for it,
/// which groups that are easily mistaken for each other need. Stops when a round moves no share by
/// 1e-9, or after 5,000 rounds. Predictions that no group can produce are left out.
/// Source: Dempster, Laird & Rubin 1977, section 4.3; for label shift Saerens et al. 2002; the
/// extrapolation is SQUAREM, Varadhan & Roland 2008 (scheme S3).
std::vector<double> correct_shares(const std::vector<double>& observed,
                                   const std::vector<std::vector<double>>& rates);

/// One draw of counts and confusion matrix. The counts are resampled with half an observation added
/// to each group, so that a group never seen still gets an interval of some width; each row of the
/// matrix is resampled as it is.
struct ShareReplicate {
  Counts counts;
  ConfusionMatrix confusion;
};
ShareReplicate resample(const Counts& counts, const ConfusionMatrix& confusion,
                        RandomStream& stream);

/// Corrected shares with percentile intervals that carry both errors: of the samples and of the
/// confusion matrix.
/// Random: bootstrap streams of `options`. Throws: as to_rates; UsageError when sizes disagree or
/// counts are all zero.
std::vector<Interval> corrected_share_intervals(const Counts& counts,
                                                const ConfusionMatrix& confusion,
                                                const BootstrapOptions& options = {});

}  // namespace equipoise::metrics
