#include "metrics/neighbours.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::metrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_sets(const at::Tensor& queries, const at::Tensor& references) {
  check_shape(queries, {kAny, kAny}, "queries");
  check_shape(references, {kAny, queries.size(1)}, "references");
  if (queries.is_floating_point()) check_finite(queries, "queries");
  if (references.is_floating_point()) check_finite(references, "references");
}

void check_enough(int64_t num_references, const NeighbourOptions& options) {
  const int64_t needed = std::max<int64_t>(1, options.k) + (options.skip_same_row ? 1 : 0);
  if (options.k >= 1 && num_references >= needed) return;
  throw UsageError({.where = "nearest neighbours",
                    .what = fmt::format("too few images to find {} neighbours of each", options.k),
                    .got = fmt::format("{}", num_references),
                    .expected = fmt::format("{} at least", needed),
                    .hint = ""});
}

/// Rows a square block may have so that both inputs in float64, the distances and their copies fit.
int64_t block_rows(int64_t width, int64_t budget_bytes) {
  constexpr int64_t kLargest = 4096;
  constexpr int64_t kSmallest = 16;
  int64_t rows = kLargest;
  while (rows > kSmallest &&
         (2 * rows * width + 3 * rows * rows) * int64_t{sizeof(double)} > budget_bytes)
    rows /= 2;
  return rows;
}

/// Rows [first, last) of a set, in float64.
struct Block {
  int64_t first;
  int64_t last;
  at::Tensor rows;
};

template <class Visit>
void for_each_block(const at::Tensor& set, int64_t rows, const Visit& visit) {
  for (int64_t first = 0; first < set.size(0); first += rows) {
    const int64_t last = std::min(first + rows, set.size(0));
    visit(Block{first, last, set.slice(0, first, last).to(at::kCPU, at::kDouble)});
  }
}

/// Distances [B,C] between the rows of two blocks.
at::Tensor distances_between(const Block& a, const Block& b) {
  const at::Tensor squares = a.rows.square().sum(1, /*keepdim=*/true) + b.rows.square().sum(1);
  return at::addmm(squares, a.rows, b.rows.t(), /*beta=*/1, /*alpha=*/-2).clamp_min_(0).sqrt_();
}

/// Makes the distance of an item to itself infinite.
void skip_same_rows(at::Tensor& distances, const Block& queries, const Block& references) {
  for (int64_t i = std::max(queries.first, references.first);
       i < std::min(queries.last, references.last); ++i) {
    distances[i - queries.first][i - references.first] = kInfinity;
  }
}

}  // namespace

at::Tensor nearest_distances(const at::Tensor& queries, const at::Tensor& references,
                             const NeighbourOptions& options) {
  check_sets(queries, references);
  check_enough(references.size(0), options);
  const int64_t rows = block_rows(queries.size(1), options.budget_bytes);
  at::Tensor nearest = at::full({queries.size(0), options.k}, kInfinity, at::kDouble);
  for_each_block(queries, rows, [&](const Block& query_block) {
    at::Tensor best = nearest.slice(0, query_block.first, query_block.last);
    for_each_block(references, rows, [&](const Block& reference_block) {
      at::Tensor distances = distances_between(query_block, reference_block);
      if (options.skip_same_row) skip_same_rows(distances, query_block, reference_block);
      const at::Tensor candidates = at::cat({best, distances}, 1);
      best.copy_(
          std::get<0>(at::topk(candidates, options.k, 1, /*largest=*/false, /*sorted=*/true)));
    });
  });
  return nearest;
}

at::Tensor count_within(const at::Tensor& queries, const at::Tensor& radii,
                        const at::Tensor& references, int64_t budget_bytes) {
  check_sets(queries, references);
  check_shape(radii, {queries.size(0)}, "radii");
  const int64_t rows = block_rows(queries.size(1), budget_bytes);
  at::Tensor counts = at::zeros({queries.size(0)}, at::kLong);
  for_each_block(queries, rows, [&](const Block& query_block) {
    const at::Tensor radius = radii.slice(0, query_block.first, query_block.last).unsqueeze(1);
    at::Tensor inside = counts.slice(0, query_block.first, query_block.last);
    for_each_block(references, rows, [&](const Block& reference_block) {
      inside += (distances_between(query_block, reference_block) < radius).sum(1);
    });
  });
  return counts;
}

}  // namespace equipoise::metrics
