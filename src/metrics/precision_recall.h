// Improved precision and recall: do samples look like reference images, and is each kind of
// reference image found among the samples?
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/blocks.h"
#include "metrics/intervals.h"

namespace equipoise::metrics {

struct PrecisionRecallOptions {
  int64_t k = 3;
  int64_t budget_bytes = kBlockBudgetBytes;
  double level = 0.95;
};

/// Where the ball of an image reaches to its k-th nearest other image of the same set:
///
///   precision = share of samples in the closed ball of some reference
///   recall    = share of references in the closed ball of some sample
struct PrecisionRecall {
  Interval precision;  ///< Wilson interval over the samples: low when images are junk
  Interval recall;     ///< Wilson interval over the references: low when modes are lost
};

/// Source: Kynkäänniemi et al. 2019 (arXiv:1904.06991), Eqs. 1 and 2. Differs: none.
/// Shapes: samples [N,F], references [M,F]; N > k and M > k. Throws: as nearest_distances.
/// Limits: balls shrink as sets grow, so that values compare only at equal N and M; one outlier
/// among the references makes a large ball, which `coverage` is robust to. Each interval takes its
/// own set as independent and the other as given.
PrecisionRecall measure_precision_recall(const at::Tensor& samples, const at::Tensor& references,
                                         const PrecisionRecallOptions& options = {});
/// The same with the references' k-th neighbour radii given.
PrecisionRecall measure_precision_recall(const at::Tensor& samples, const at::Tensor& references,
                                         const at::Tensor& radii,
                                         const PrecisionRecallOptions& options);

}  // namespace equipoise::metrics
