// Exact Euclidean neighbours between two sets, block by block within a byte budget.
#pragma once

#include <cstdint>

#include <torch/types.h>

namespace equipoise::metrics {

/// Bytes the blocks of distances may take; inputs and results come on top.
inline constexpr int64_t kNeighbourBudgetBytes = int64_t{256} << 20;

struct NeighbourOptions {
  int64_t k = 1;
  bool skip_same_row = false;  ///< row i of both sets is the same item: never its own neighbour
  int64_t budget_bytes = kNeighbourBudgetBytes;
};

/// Distances from each row of `queries` [N,D] to its k nearest rows of `references` [M,D],
/// ascending: [N,k] float64.
///
/// Computed in float64 as |a|^2 + |b|^2 - 2ab: exact for uint8 pixels, so that a copy has distance
/// 0; for features, copies show distances of about 1e-8 times their norm.
/// Throws: UsageError when widths differ, or fewer than k references are there (k + 1 with
/// skip_same_row); NumericError when an input is not finite.
/// Cost: N M D multiply-adds; the same result for any budget, to rounding.
at::Tensor nearest_distances(const at::Tensor& queries, const at::Tensor& references,
                             const NeighbourOptions& options);

/// How many rows of `references` [M,D] lie closer to query i than radii[i]: [N] int64. radii: [N]
/// float64.
/// Throws: UsageError when shapes disagree; NumericError when an input is not finite.
at::Tensor count_within(const at::Tensor& queries, const at::Tensor& radii,
                        const at::Tensor& references, int64_t budget_bytes = kNeighbourBudgetBytes);

}  // namespace equipoise::metrics
