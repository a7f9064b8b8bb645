#include "metrics/neighbours.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kEdgeSlack = 1e-9;

void check_enough(int64_t num_references, const NeighbourOptions& options) {
  const int64_t needed = std::max<int64_t>(1, options.k) + (options.skip_same_row ? 1 : 0);
  if (options.k >= 1 && num_references >= needed) return;
  throw UsageError({.where = "nearest neighbours",
                    .what = fmt::format("too few images to find {} neighbours of each", options.k),
                    .got = fmt::format("{}", num_references),
                    .expected = fmt::format("{} at least", needed),
                    .hint = ""});
}

/// Distances [B,C] between the rows of two blocks.
at::Tensor distances_between(const Block& a, const Block& b) {
  const at::Tensor squares = a.rows.square().sum(1, /*keepdim=*/true) + b.rows.square().sum(1);
  return at::addmm(squares, a.rows, b.rows.t(), /*beta=*/1, /*alpha=*/-2).clamp_min_(0).sqrt_();
}

/// The k least of each row, ascending, and where they stand.
std::pair<at::Tensor, at::Tensor> least(const at::Tensor& rows, int64_t k) {
  auto [values, positions] = at::topk(rows, k, 1, /*largest=*/false, /*sorted=*/true);
  return {values, positions};
}

}  // namespace

void for_each_distance_block(const at::Tensor& queries, const at::Tensor& references,
                             const PairOptions& options,
                             const std::function<void(const DistanceBlock&)>& visit) {
  check_rows(queries, kAny, "queries");
  check_rows(references, queries.size(1), "references");
  for_each_block_pair(
      queries, references, options.budget_bytes, [&](const Block& query, const Block& reference) {
        at::Tensor distances = distances_between(query, reference);
        if (options.skip_same_row && query.first == reference.first)
          distances.diagonal().fill_(kInfinity);
        visit({query.first, query.last, reference.first, reference.last, std::move(distances)});
      });
}

Neighbours nearest_neighbours(const at::Tensor& queries, const at::Tensor& references,
                              const NeighbourOptions& options) {
  check_shape(queries, {kAny, kAny}, "queries");
  check_shape(references, {kAny, queries.size(1)}, "references");
  check_enough(references.size(0), options);
  Neighbours nearest{.distances = at::full({queries.size(0), options.k}, kInfinity, at::kDouble),
                     .indices = at::zeros({queries.size(0), options.k}, at::kLong)};
  for_each_distance_block(
      queries, references,
      {.skip_same_row = options.skip_same_row, .budget_bytes = options.budget_bytes},
      [&](const DistanceBlock& block) {
        at::Tensor distances = nearest.distances.slice(0, block.first_query, block.last_query);
        at::Tensor indices = nearest.indices.slice(0, block.first_query, block.last_query);
        const auto [found, columns] =
            least(block.distances, std::min(options.k, block.distances.size(1)));
        const auto [best, positions] = least(at::cat({distances, found}, 1), options.k);
        distances.copy_(best);
        indices.copy_(at::cat({indices, columns + block.first_reference}, 1).gather(1, positions));
      });
  return nearest;
}

at::Tensor nearest_distances(const at::Tensor& queries, const at::Tensor& references,
                             const NeighbourOptions& options) {
  return nearest_neighbours(queries, references, options).distances;
}

Neighbours OwnNeighbours::nearest(int64_t k) const {
  // More than any metric asks for by default, at no cost to speak of.
  constexpr int64_t kAtLeast = 20;
  const std::lock_guard lock(mutex_);
  if (!found_.distances.defined() || found_.distances.size(1) < k) {
    const int64_t others = std::max<int64_t>(0, set_.size(0) - 1);
    found_ = nearest_neighbours(
        set_, set_, {.k = std::max(k, std::min(kAtLeast, others)), .skip_same_row = true});
  }
  return {.distances = found_.distances.slice(1, 0, k), .indices = found_.indices.slice(1, 0, k)};
}

at::Tensor OwnNeighbours::radii(int64_t k) const {
  return nearest(k).distances.select(1, k - 1);
}

at::Tensor neighbour_radii(const at::Tensor& set, int64_t k, int64_t budget_bytes) {
  return nearest_distances(set, set, {.k = k, .skip_same_row = true, .budget_bytes = budget_bytes})
      .select(1, k - 1);
}

at::Tensor count_within(const at::Tensor& queries, const at::Tensor& radii,
                        const at::Tensor& references, int64_t budget_bytes) {
  check_shape(radii, {queries.size(0)}, "radii");
  at::Tensor counts = at::zeros({queries.size(0)}, at::kLong);
  for_each_distance_block(
      queries, references, {.budget_bytes = budget_bytes}, [&](const DistanceBlock& block) {
        const at::Tensor radius = radii.slice(0, block.first_query, block.last_query).unsqueeze(1);
        counts.slice(0, block.first_query, block.last_query) += (block.distances < radius).sum(1);
      });
  return counts;
}

at::Tensor smallest_covering_radius(const at::Tensor& points, const at::Tensor& centres,
                                    const at::Tensor& radii, const PairOptions& options) {
  check_shape(radii, {centres.size(0)}, "radii");
  const at::Tensor infinity = at::full({}, kInfinity, at::kDouble);
  at::Tensor smallest = at::full({points.size(0)}, kInfinity, at::kDouble);
  for_each_distance_block(points, centres, options, [&](const DistanceBlock& block) {
    const at::Tensor radius = radii.slice(0, block.first_reference, block.last_reference);
    const at::Tensor is_held = block.distances <= radius * (1 + kEdgeSlack);
    at::Tensor of_points = smallest.slice(0, block.first_query, block.last_query);
    of_points.copy_(at::minimum(of_points, at::where(is_held, radius, infinity).amin(1)));
  });
  return smallest;
}

}  // namespace equipoise::metrics
