#include "data/split_protocol.h"

#include <algorithm>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::data {

std::vector<int64_t> named_groups(const SplitConfig& config, const Grouping& grouping) {
  if (config.classes.empty())
    throw UsageError(
        {.where = "data.split.classes",
         .what = "the protocol '" + config.protocol + "' needs to know which groups it is about",
         .got = "an empty list",
         .expected = "at least one group",
         .hint = ""});
  std::vector<int64_t> groups;
  for (const std::string& name : config.classes) {
    const auto it = std::ranges::find(grouping.names, name);
    if (it == grouping.names.end()) throw unknown_name("group", name, grouping.names);
    groups.push_back(it - grouping.names.begin());
  }
  return groups;
}

}  // namespace equipoise::data
