// Two large sets met block by block: the loop behind every number that is a sum, minimum or count
// over all pairs of their rows.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include <torch/types.h>

#include "core/check.h"

namespace equipoise::metrics {

/// Bytes the blocks of pairwise numbers may take; inputs and results come on top.
inline constexpr int64_t kBlockBudgetBytes = int64_t{256} << 20;

/// Rows [first, last) of a set [N,F], as float64 on the CPU; a view where they are that already.
struct Block {
  int64_t first;
  int64_t last;
  at::Tensor rows;
};

/// Calls `visit` once for every pair of a block of `a` [N,F] and a block of `b` [M,F].
///
/// Blocks of both sets start at the same multiples, so that row i of one meets row i of the other in
/// a pair whose `first` are equal. They are as large as two blocks and three matrices of their pairs
/// fit in `budget_bytes`, though of 16 rows at least.
void for_each_block_pair(const at::Tensor& a, const at::Tensor& b, int64_t budget_bytes,
                         const std::function<void(const Block&, const Block&)>& visit);

/// Throws: UsageError unless `set` is [any, width]; NumericError when a number in it is not finite.
void check_rows(const at::Tensor& set, int64_t width, std::string_view name);

}  // namespace equipoise::metrics
