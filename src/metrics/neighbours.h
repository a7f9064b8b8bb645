// Exact Euclidean neighbours between two sets, block by block within a byte budget. Distances are
// computed in float64 as |a|^2 + |b|^2 - 2ab: exact for uint8 pixels, so that a copy has distance 0;
// for features, copies show distances of about 1e-8 times their norm.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include <torch/types.h>

#include "metrics/blocks.h"

namespace equipoise::metrics {

struct PairOptions {
  bool skip_same_row = false;  ///< row i of both sets is the same item: never a pair with itself
  int64_t budget_bytes = kBlockBudgetBytes;
};

/// Distances [B,C] float64 from queries [first_query, last_query) to the references from
/// first_reference on; infinite for an item and itself under skip_same_row.
struct DistanceBlock {
  int64_t first_query;
  int64_t last_query;
  int64_t first_reference;
  int64_t last_reference;
  at::Tensor distances;
};

/// Calls `visit` once for each block of the distances between `queries` [N,D] and `references`
/// [M,D], of any type.
/// Throws: UsageError when widths differ; NumericError when an input is not finite.
/// Cost: N M D multiply-adds; the same distances for any budget, to rounding.
void for_each_distance_block(const at::Tensor& queries, const at::Tensor& references,
                             const PairOptions& options,
                             const std::function<void(const DistanceBlock&)>& visit);

struct NeighbourOptions {
  int64_t k = 1;
  bool skip_same_row = false;  ///< row i of both sets is the same item: never its own neighbour
  int64_t budget_bytes = kBlockBudgetBytes;
};

struct Neighbours {
  at::Tensor distances;  ///< [N,k] float64, ascending
  at::Tensor indices;    ///< [N,k] int64, rows of the references; any of those at equal distance
};

/// The k nearest rows of `references` [M,D] to each row of `queries` [N,D].
/// Throws: as for_each_distance_block; UsageError when fewer than k references are there (k + 1 with
/// skip_same_row).
Neighbours nearest_neighbours(const at::Tensor& queries, const at::Tensor& references,
                              const NeighbourOptions& options);
/// Their distances alone.
at::Tensor nearest_distances(const at::Tensor& queries, const at::Tensor& references,
                             const NeighbourOptions& options);
/// Distance from each row of `set` [M,D] to its k-th nearest other row: [M] float64.
at::Tensor neighbour_radii(const at::Tensor& set, int64_t k,
                           int64_t budget_bytes = kBlockBudgetBytes);

/// A set's nearest neighbours in itself, searched once for all that ask. Safe to share between
/// threads: one searches, the others wait.
class OwnNeighbours {
 public:
  explicit OwnNeighbours(at::Tensor set) : set_(std::move(set)) {}
  /// The k nearest other rows of every row. Throws: as nearest_neighbours.
  Neighbours nearest(int64_t k) const;
  /// Distance from each row to its k-th nearest other row: [M] float64.
  at::Tensor radii(int64_t k) const;

 private:
  at::Tensor set_;
  mutable std::mutex mutex_;
  mutable Neighbours found_;  ///< of the most that was asked for, or of kAtLeast
};

/// How many rows of `references` [M,D] lie closer to query i than radii[i]: [N] int64. radii: [N]
/// float64.
/// Throws: UsageError when shapes disagree; NumericError when an input is not finite.
at::Tensor count_within(const at::Tensor& queries, const at::Tensor& radii,
                        const at::Tensor& references, int64_t budget_bytes = kBlockBudgetBytes);

/// The least radius among the closed balls (centres [M,D], radii [M] float64) that hold each of
/// `points` [N,D]: [N] float64, infinite for a point in no ball. A point up to 1e-9 of the radius
/// outside counts as held, so that rounding decides nothing for points on the edge.
/// Throws: as count_within.
at::Tensor smallest_covering_radius(const at::Tensor& points, const at::Tensor& centres,
                                    const at::Tensor& radii, const PairOptions& options = {});

}  // namespace equipoise::metrics
