// Realism of single images: how deep a sample lies in the balls of the reference.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/blocks.h"

namespace equipoise::metrics {

struct RealismOptions {
  int64_t k = 3;
  int64_t budget_bytes = kBlockBudgetBytes;
};

/// With r_i the distance from reference i to its k-th nearest other reference:
///
///   realism(g) = max { r_i / |g - x_i| : r_i not above the median of all r }
///
/// 1 or more exactly when g lies in one of those balls; infinite at distance 0 of their centres
/// (huge for copies whose distance is rounding, see neighbours.h).
/// Leaving out the larger half of the balls keeps lone references from calling everything real; lone
/// real images then score low themselves, and samples that keep to the middle of the data high.
/// Source: Kynkäänniemi et al. 2019 (arXiv:1904.06991), Eq. 3. Differs: keeps radii equal to the
/// median, so that some are left when all are equal.
/// Shapes: samples [N,F], references [M,F], M > k; returns [N] float64. Throws: as
/// nearest_distances.
at::Tensor realism_scores(const at::Tensor& samples, const at::Tensor& references,
                          const RealismOptions& options = {});

}  // namespace equipoise::metrics
