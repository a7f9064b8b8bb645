// Some groups made rare, the others left whole.
#include <cmath>

#include "data/split_protocol.h"

namespace equipoise::data {
namespace {

std::vector<int64_t> cut_named(const SplitConfig& config, const Grouping& grouping,
                               const std::vector<int64_t>& available) {
  std::vector<int64_t> sizes = available;
  for (const int64_t group : named_groups(config, grouping)) {
    const auto k = static_cast<size_t>(group);
    sizes[k] = static_cast<int64_t>(
        std::floor(static_cast<double>(available[k]) * config.fraction + 1e-9));
  }
  return sizes;
}

const bool registered = SplitProtocolRegistry::instance().add(
    {.name = "minority",
     .summary = "The groups in data.split.classes keep the fraction data.split.fraction; the "
                "others stay whole.",
     .source = "ours",
     .use_when = "One or a few rare classes; for an exact share of the whole prefer attribute."},
    {.plan = cut_named, .lists = nullptr});

}  // namespace
}  // namespace equipoise::data
