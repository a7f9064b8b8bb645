// How much the gradients of mini-batches agree, for all images, group by group and by noise level.
#include <fmt/format.h>

#include "metrics/rank_correlation.h"
#include "report/figure.h"
#include "report/number_text.h"
#include "report/sections.h"
#include "report/series.h"

namespace equipoise::report {
namespace {

constexpr size_t kMaxPoints = 60, kMinCorrelated = 5;

Table numbers_table(const Json& subjects) {
  Table table = {.caption = "Gradients of mini-batches at the end of training",
                 .columns = {{"Images"},
                             {"Mini-batches", true},
                             {"Common direction", true},
                             {"κ", true},
                             {"κ of pure noise", true},
                             {"Gradient signal", true},
                             {"Norm signal", true}},
                 .rows = {}};
  for (const auto& [name, numbers] : subjects.items())
    table.rows.push_back({.cells = {name, count_text(number_at(numbers, "/n")),
                                    number_text(number_at(numbers, "/rbar_corrected")),
                                    number_text(number_at(numbers, "/kappa")),
                                    number_text(number_at(numbers, "/kappa_null")),
                                    number_text(number_at(numbers, "/gs")),
                                    number_text(number_at(numbers, "/gns"))}});
  return table;
}

Table conflict_table(const Json& conflict) {
  Table table = {.caption =
                     "Cosine between the common directions; below 0 one group's progress is "
                     "another's loss",
                 .columns = {{"Images"}},
                 .rows = {}};
  for (const auto& [name, row] : conflict.items()) {
    table.columns.push_back({name, true});
    Row cells = {.cells = {name}};
    for (const auto& [other, cosine] : row.items())
      cells.cells.push_back(number_text(number_at(cosine, "")));
    table.rows.push_back(cells);
  }
  return table;
}

/// Over the ticks of training, of all images: what part of the concentration is signal.
std::string correlations_text(const std::vector<Json>& records) {
  std::vector<double> signal, concentration, norm_signal;
  for (const Json& record : records) {
    const Json& all = value_at(record, "/directions/subjects/all");
    const auto gs = number_at(all, "/gs"), kappa = number_at(all, "/kappa_corrected"),
               gns = number_at(all, "/gns");
    if (!gs || !kappa || !gns) continue;
    signal.push_back(*gs);
    concentration.push_back(*kappa);
    norm_signal.push_back(*gns);
  }
  if (signal.size() < kMinCorrelated) return "";
  return fmt::format(
      "Over {} probes the gradient signal has a rank correlation of {} with κ free of chance, and "
      "of "
      "{} with the norm signal.",
      signal.size(), number_text(metrics::rank_correlation(signal, concentration)),
      number_text(metrics::rank_correlation(signal, norm_signal)));
}

Html directions_html(const Json& method) {
  std::vector<Json> records;
  for (const Json& record : list_at(method, "/training/curve"))
    if (record.contains("directions")) records.push_back(record);
  if (records.empty()) return {};
  const Json& last = records.back().at("directions");
  const Json& subjects = value_at(last, "/subjects");
  std::vector<Series> series;
  for (const auto& [name, numbers] : subjects.items())
    series.push_back(
        {name, method_colour(static_cast<int>(series.size())), false,
         thin_out(read_points(records, "images",
                              "directions/subjects/" + pointer_key(name) + "/rbar_corrected"),
                  kMaxPoints)});
  Html html = element("h3", {}, method_title(method));
  html += to_html(Figure{
      .title = "Common direction of gradients",
      .caption = "Length of the mean direction of mini-batch gradients, free of what chance gives: "
                 "1 when all agree, 0 when they are noise.",
      .panels = {{"", "Length of the gradients' mean direction over training images",
                  lines_chart(series, {.title = "training images", .format = ",d"},
                              {.title = "mean resultant length", .from_zero = true})}},
      .data = numbers_table(subjects),
      .arrangement = Arrangement::kOne});
  if (const std::string text = correlations_text(records); !text.empty())
    html += element("p", {}, text);
  html += to_html(conflict_table(value_at(last, "/conflict")));
  return html;
}

}  // namespace

Section directions_section(const Json& results) {
  Section section = {"directions", "Directions of gradients", {}};
  for (const Json& method : list_at(results, "/methods")) section.body += directions_html(method);
  return section;
}

}  // namespace equipoise::report
