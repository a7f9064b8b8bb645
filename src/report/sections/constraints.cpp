// Training under constraints: what was demanded, what it cost, and the multipliers on their way.
#include <fmt/format.h>

#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

constexpr size_t kMaxPoints = 60;

std::string facts_text(const Json& found) {
  std::string text = count_text(number_at(found, "/dual_steps")) + " dual steps";
  if (const auto capped = number_at(found, "/capped_steps"); capped && *capped > 0)
    text += fmt::format(", {} of them at the largest multiplier allowed", count_text(capped));
  return text + ".";
}

std::string verdict(const Json& entry) {
  const Json& is_met = value_at(entry, "/is_met");
  if (!is_met.is_boolean()) return "gives way";
  return is_met.get<bool>() ? "met" : "not met";
}

Table entries_table(const Json& found) {
  Table table = {.caption = "Constraints at the end of training",
                 .columns = {{"Constraint"},
                             {"Kind"},
                             {"Verdict"},
                             {"Threshold", true},
                             {"Floor", true},
                             {"Loss", true},
                             {"Held-out loss", true},
                             {"Multiplier", true}},
                 .rows = {}};
  for (const Json& entry : list_at(found, "/entries"))
    table.rows.push_back({.cells = {text_at(entry, "/name"), text_at(entry, "/kind"),
                                    verdict(entry), number_text(number_at(entry, "/threshold")),
                                    number_text(number_at(entry, "/floor/value")),
                                    number_text(number_at(entry, "/loss")),
                                    number_text(number_at(entry, "/heldout_loss")),
                                    number_text(number_at(entry, "/multiplier"))}});
  return table;
}

/// One curve a constraint; the method's own colours do not matter here.
std::vector<Series> curves(const Json& method, const std::string& number) {
  const std::vector<Json> records = list_at(method, "/training/curve");
  std::vector<Series> series;
  for (const Json& entry : list_at(method, "/constraints/entries")) {
    const std::string name = text_at(entry, "/name");
    const Points points =
        thin_out(read_points(records, "images", "constraints/" + pointer_key(name) + "/" + number),
                 kMaxPoints);
    if (!points.empty())
      series.push_back({name, method_colour(static_cast<int>(series.size())), false, points});
  }
  return series;
}

Html path_figure(const Json& method) {
  const std::vector<Series> multipliers = curves(method, "multiplier"),
                            losses = curves(method, "loss");
  Figure figure = {
      .title = "Multipliers on their way",
      .caption =
          "A multiplier grows while its constraint is violated and shrinks towards 0 when it "
          "holds; where it comes to rest, it is the price of the constraint in units of the "
          "objective's loss.",
      .panels = {},
      .data = series_table("Multiplier by training images", multipliers, "Training images",
                           "Multiplier")};
  const Axis images = {.title = "training images", .format = ",d"};
  if (!multipliers.empty())
    figure.panels.push_back(
        {"Multiplier", "Multiplier of each constraint over training images",
         lines_chart(multipliers, images, {.title = "multiplier", .from_zero = true})});
  if (!losses.empty())
    figure.panels.push_back({"Loss", "Loss of each constraint over training images",
                             lines_chart(losses, images, {.title = "loss", .format = "~g"})});
  return figure.panels.empty() ? Html() : to_html(figure);
}

Html mixture_table(const Json& results, const Json& found) {
  const std::vector<Json> shares = list_at(found, "/mixture_shares");
  if (shares.empty()) return {};
  const std::vector<std::string> names = class_names(results);
  Table table = {.caption = "Shares that the multipliers ask for",
                 .columns = {{"Class"}, {"Share", true}},
                 .rows = {}};
  for (size_t k = 0; k < shares.size(); ++k)
    table.rows.push_back({.cells = {class_name(names, k), percent_text(number_at(shares[k], ""))}});
  return to_html(table);
}

}  // namespace

Section constraints_section(const Json& results) {
  Section section = {"constraints", "Constraints", {}};
  for (const Json& method : list_at(results, "/methods")) {
    const Json& found = value_at(method, "/constraints");
    if (!found.is_object()) continue;
    section.body += element("h3", {}, method_title(method));
    section.body += element("p", {}, facts_text(found));
    section.body += to_html(entries_table(found));
    section.body += path_figure(method);
    section.body += mixture_table(results, found);
  }
  return section;
}

}  // namespace equipoise::report
