#include <fmt/format.h>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/result_tables.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

/// Only the sets that training sees are drawn; the table has all.
bool is_drawn(const Json& set) {
  const std::string name = text_at(set, "/name");
  return name == "biased" || name == "reference";
}

std::vector<SetShare> set_shares(const Json& results) {
  std::vector<SetShare> shares;
  for (const Json& set : list_at(results, "/data/sets")) {
    if (!is_drawn(set)) continue;
    const std::vector<Json> counts = list_at(set, "/counts");
    double total = 0;
    for (size_t i = 0; i < counts.size(); ++i) total += number_at(counts[i], "").value_or(0);
    for (size_t i = 0; i < counts.size() && total > 0; ++i)
      shares.push_back({text_at(set, "/name"), class_name(class_names(results), i),
                        number_at(counts[i], "").value_or(0) / total});
  }
  return shares;
}

std::string facts_text(const Json& results) {
  std::string text = count_text(number_at(results, "/data/num_images")) + " images";
  const std::vector<Json> shape = list_at(results, "/data/shape");
  if (shape.size() == 3)
    text += fmt::format(" of {} × {} pixels, {} channel{}", text_at(shape[1], ""),
                        text_at(shape[2], ""), text_at(shape[0], ""),
                        text_at(shape[0], "") == "1" ? "" : "s");
  return text +
         ". The model learns from the biased set and the small reference set; the classifier that "
         "counts the "
         "classes, and the images that distances are measured to, are kept apart from both.";
}

}  // namespace

Section data_section(const Json& results) {
  Section section = {"data", "Data composition", {}};
  if (list_at(results, "/data/sets").empty()) return section;
  if (number_at(results, "/data/num_images")) section.body += element("p", {}, facts_text(results));
  std::vector<std::pair<std::string, double>> target;
  for (size_t i = 0; const auto share = target_share(results, i); ++i)
    target.emplace_back(class_name(class_names(results), i), *share);
  const Table table = composition_table(results);
  const std::vector<SetShare> shares = set_shares(results);
  if (shares.empty()) {
    section.body += to_html(table);
    return section;
  }
  section.body += to_html(
      Figure{.title = "Class shares of the training sets",
             .caption = "The dashed strokes are the target shares.",
             .panels = {{"",
                         "Bars of each class's share in the biased and the reference set, with "
                         "the target; the numbers are in the table below.",
                         composition_chart(shares, target)}},
             .data = table,
             .arrangement = Arrangement::kOne});
  return section;
}

}  // namespace equipoise::report
