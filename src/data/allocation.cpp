#include "data/allocation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace equipoise::data {

std::vector<int64_t> allocate(int64_t total, const std::vector<double>& weights) {
  std::vector<int64_t> parts(weights.size(), 0);
  if (total == 0) return parts;
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  EQUIPOISE_ASSERT(sum > 0 && total > 0);
  std::vector<double> remainders;
  int64_t left = total;
  for (size_t k = 0; k < weights.size(); ++k) {
    const double exact = static_cast<double>(total) * (weights[k] / sum);
    parts[k] = static_cast<int64_t>(std::floor(exact + 1e-9));
    remainders.push_back(exact - static_cast<double>(parts[k]));
    left -= parts[k];
  }
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater(), [&](size_t k) { return remainders[k]; });
  for (size_t rank = 0; left > 0; ++rank, --left) ++parts[order[rank % order.size()]];
  return parts;
}

}  // namespace equipoise::data
