// Rarity of single images: the size of the smallest reference ball that holds a sample.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/blocks.h"

namespace equipoise::metrics {

struct RarityOptions {
  int64_t k = 3;
  int64_t budget_bytes = kBlockBudgetBytes;
};

/// With r_i the distance from reference i to its k-th nearest other reference:
///
///   rarity(g) = min { r_i : |g - x_i| <= r_i }
///
/// Large where references are sparse; infinite = undefined, for a sample in no ball, which may be
/// rare or junk.
/// Source: Han et al. 2022 (arXiv:2206.08549). Differs: none.
/// Shapes: samples [N,F], references [M,F], M > k; returns [N] float64, in the features' own scale.
/// Throws: as nearest_distances.
at::Tensor rarity_scores(const at::Tensor& samples, const at::Tensor& references,
                         const RarityOptions& options = {});

}  // namespace equipoise::metrics
