#include <algorithm>

#include <fmt/format.h>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/result_tables.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

std::vector<GroupShare> group_shares(const Json& results, const Json& method) {
  std::vector<GroupShare> shares;
  for (const Json& share : list_at(method, "/shares")) {
    const size_t index = shares.size();
    const Json& group = value_at(share, "/group");
    const auto target = number_at(share, "/target");
    shares.push_back(
        {group.is_string() ? group.get<std::string>() : class_name(class_names(results), index),
         estimate_at(share, "/raw"), estimate_at(share, "/corrected"),
         target ? target : target_share(results, index)});
  }
  return shares;
}

double largest(const std::optional<Estimate>& estimate) {
  return estimate ? std::max(estimate->value, estimate->high.value_or(0)) : 0;
}

double largest_share(const std::vector<std::vector<GroupShare>>& all) {
  double most = 0;
  for (const auto& shares : all) {
    for (const GroupShare& share : shares)
      most =
          std::max({most, largest(share.raw), largest(share.corrected), share.target.value_or(0)});
  }
  return std::min(1.0, 1.04 * most);
}

std::string alt_text(const Json& method) {
  return fmt::format("Class shares of {} against the target; total variation {}",
                     method_title(method), estimate_text(total_variation_of(method)));
}

}  // namespace

Section shares_section(const Json& results) {
  Section section = {"shares", "Class shares", {}};
  const std::vector<Json> methods = list_at(results, "/methods");
  std::vector<std::vector<GroupShare>> all;
  for (const Json& method : methods) all.push_back(group_shares(results, method));
  const double max_share = largest_share(all);
  if (max_share == 0) return section;
  Figure figure = {
      .title = "Shares of the generated images against the target",
      .caption =
          "Pale bars: as the classifier counts. Full bars: corrected for the classifier's own "
          "confusions. Lines are intervals; the dashed strokes are the target shares.",
      .panels = {},
      .data = shares_table(results)};
  for (size_t i = 0; i < methods.size(); ++i) {
    if (all[i].empty()) continue;
    const int hue = static_cast<int>(i);
    figure.panels.push_back({method_title(methods[i]), alt_text(methods[i]),
                             shares_chart(all[i], hue, max_share), hue});
  }
  section.body += to_html(figure);
  return section;
}

}  // namespace equipoise::report
