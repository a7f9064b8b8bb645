// Exponentially falling group sizes.
#include <algorithm>
#include <cmath>

#include "data/split_protocol.h"

namespace equipoise::data {
namespace {

/// n_k = floor(n_max r^(-k/(K-1))), n_max = images available of the first group. Sums for n_max =
/// 5000, K = 10: r = 100: 12,406; r = 200: 11,203; r = 500: 10,011.
std::vector<int64_t> falling_sizes(const SplitConfig& config, const Grouping&,
                                   const std::vector<int64_t>& available) {
  const size_t num_groups = available.size();
  std::vector<int64_t> sizes;
  for (size_t k = 0; k < num_groups; ++k) {
    const double position =
        num_groups == 1 ? 0 : static_cast<double>(k) / static_cast<double>(num_groups - 1);
    // r^-1 of a round number must not fall a hair below a whole number.
    const double size =
        static_cast<double>(available[0]) * std::pow(config.imbalance, -position) * (1 + 1e-12);
    sizes.push_back(static_cast<int64_t>(std::floor(size)));
  }
  return sizes;
}

const bool registered = SplitProtocolRegistry::instance().add(
    {.name = "long-tail",
     .summary = "Group k keeps floor(n_max r^(-k/(K-1))) images, r = data.split.imbalance.",
     .source = "Cui et al. 2019 (arXiv:1901.05555), Sec. 5; CIFAR-10-LT",
     .use_when = "Benchmarks with many classes; for one rare group prefer minority."},
    {.plan = falling_sizes, .lists = nullptr});

}  // namespace
}  // namespace equipoise::data
