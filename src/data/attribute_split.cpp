// Named groups make up an exact share of the biased set.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "core/error.h"
#include "data/allocation.h"
#include "data/split_protocol.h"

namespace equipoise::data {
namespace {

int64_t count_named(int64_t total, double share) {
  return static_cast<int64_t>(std::floor(static_cast<double>(total) * share + 1e-9));
}

/// The largest total T with floor(share T) <= named and T - floor(share T) <= others.
int64_t largest_total(double share, int64_t named, int64_t others) {
  double bound = static_cast<double>(named + others);
  if (share > 0) bound = std::min(bound, static_cast<double>(named + 1) / share);
  if (share < 1) bound = std::min(bound, static_cast<double>(others + 1) / (1 - share));
  auto total = std::min(static_cast<int64_t>(bound) + 1, named + others);
  while (count_named(total, share) > named || total - count_named(total, share) > others) --total;
  return total;
}

/// Inside the named groups, and inside the others, images are taken in proportion to what is
/// available. A group that is used up still asks for images, so that the split is refused by its
/// name.
std::vector<int64_t> fix_share(const SplitConfig& config, const Grouping& grouping,
                               const std::vector<int64_t>& available) {
  std::vector<double> named_weights(available.size(), 0), other_weights;
  for (const int64_t count : available)
    other_weights.push_back(static_cast<double>(std::max<int64_t>(count, 1)));
  int64_t others = std::accumulate(available.begin(), available.end(), int64_t{0});
  int64_t named = 0;
  for (const int64_t group : named_groups(config, grouping)) {
    const auto k = static_cast<size_t>(group);
    named_weights[k] = std::exchange(other_weights[k], 0);
    named += available[k];
    others -= available[k];
  }
  if (std::ranges::all_of(other_weights, [](double weight) { return weight == 0; }))
    throw UsageError(
        {.where = "data.split.classes",
         .what = "every group is named, so no other groups are left to take the rest of the share",
         .got = std::to_string(config.classes.size()),
         .expected = "fewer groups than there are",
         .hint = ""});
  const int64_t total =
      config.num_images > 0 ? config.num_images : largest_total(config.share, named, others);
  const int64_t from_named = count_named(total, config.share);
  std::vector<int64_t> sizes = allocate(from_named, named_weights);
  const std::vector<int64_t> from_others = allocate(total - from_named, other_weights);
  for (size_t k = 0; k < sizes.size(); ++k) sizes[k] += from_others[k];
  return sizes;
}

const bool registered = SplitProtocolRegistry::instance().add(
    {.name = "attribute",
     .summary =
         "The groups in data.split.classes make up the share data.split.share of the biased set.",
     .source = "ours; the gender-biased FFHQ of Kim et al. 2024 (arXiv:2403.01189) is one such set",
     .use_when =
         "An attribute or a cross of attributes at an exact share, e.g. gender = Female at 0.1."},
    {.plan = fix_share, .lists = nullptr});

}  // namespace
}  // namespace equipoise::data
