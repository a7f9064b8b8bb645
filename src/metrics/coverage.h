// Coverage and density: how much of the reference has samples near it, and how crowded they are
// there.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/blocks.h"
#include "metrics/intervals.h"

namespace equipoise::metrics {

struct CoverageOptions {
  int64_t k = 5;
  int64_t budget_bytes = kBlockBudgetBytes;
  double level = 0.95;
};

/// With r_i the distance from reference i to its k-th nearest other reference:
///
///   coverage = mean_i [some sample is closer to reference i than r_i]
///   density  = sum_ij [sample j is closer to reference i than r_i] / (k N)
struct Coverage {
  Interval coverage;    ///< Wilson interval over the references
  double expected = 0;  ///< coverage of samples drawn from the reference's own law, at these sizes
  /// 1 for such samples; above 1 when samples crowd where references are dense
  double density = 0;
};

/// Source: Naeem et al. 2020 (arXiv:2002.09797), Eqs. 3 and 4, Lemma 2 for `expected`. Differs:
/// none (strict "closer", as in the authors' code; the paper writes closed balls).
/// Shapes: samples [N,F], references [M,F], M > k. Throws: as nearest_distances.
/// Limits: the interval takes references as independent, and the sample set as given.
Coverage measure_coverage(const at::Tensor& samples, const at::Tensor& references,
                          const CoverageOptions& options = {});
/// The same with the references' k-th neighbour radii given.
Coverage measure_coverage(const at::Tensor& samples, const at::Tensor& references,
                          const at::Tensor& radii, const CoverageOptions& options = {});

/// 1 - prod_{i=1..k} (M - i) / (N + M - i): the chance that one of N samples lies in a k-th
/// neighbour ball among M references of the same law.
double expected_coverage(int64_t num_samples, int64_t num_references, int64_t k);

}  // namespace equipoise::metrics
