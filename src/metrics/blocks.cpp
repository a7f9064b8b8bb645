#include "metrics/blocks.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace equipoise::metrics {
namespace {

/// Rows a block may have so that both blocks in float64, the numbers of their pairs and two copies
/// of these fit.
int64_t block_rows(int64_t width, int64_t budget_bytes) {
  constexpr int64_t kLargest = 4096;
  constexpr int64_t kSmallest = 16;
  int64_t rows = kLargest;
  while (rows > kSmallest &&
         (2 * rows * width + 3 * rows * rows) * int64_t{sizeof(double)} > budget_bytes)
    rows /= 2;
  return rows;
}

template <class Visit>
void for_each_block(const at::Tensor& set, int64_t rows, const Visit& visit) {
  for (int64_t first = 0; first < set.size(0); first += rows) {
    const int64_t last = std::min(first + rows, set.size(0));
    visit(Block{first, last, set.slice(0, first, last).to(at::kCPU, at::kDouble)});
  }
}

}  // namespace

void for_each_block_pair(const at::Tensor& a, const at::Tensor& b, int64_t budget_bytes,
                         const std::function<void(const Block&, const Block&)>& visit) {
  const int64_t rows = block_rows(a.size(1), budget_bytes);
  for_each_block(a, rows, [&](const Block& of_a) {
    for_each_block(b, rows, [&](const Block& of_b) { visit(of_a, of_b); });
  });
}

void check_rows(const at::Tensor& set, int64_t width, std::string_view name) {
  check_shape(set, {kAny, width}, name);
  if (set.is_floating_point()) check_finite(set, name);
}

}  // namespace equipoise::metrics
