#include "report/comparison_report.h"

#include <fmt/format.h>

#include "io/files.h"
#include "report/figure.h"
#include "report/markdown_report.h"
#include "report/number_text.h"
#include "report/page.h"

namespace equipoise::report {
namespace {

/// Every run's estimate: on its method's line where the runs are repetitions, else on one of its
/// own.
std::vector<MethodEstimate> estimates_of(const Comparison& comparison,
                                         const ComparedMeasure& measure) {
  std::vector<MethodEstimate> estimates;
  for (const ComparedMethod& method : measure.methods) {
    for (size_t run = 0; run < method.by_run.size(); ++run) {
      if (!method.by_run[run]) continue;
      const std::string line = comparison.is_repetition
                                   ? method.title
                                   : method.title + " · " + comparison.runs[run].label;
      estimates.push_back({line, method_hue(comparison, method.name), *method.by_run[run]});
    }
  }
  return estimates;
}

std::string alt_text(const ComparedMeasure& measure, const std::vector<MethodEstimate>& estimates) {
  std::string text = measure.title + ":";
  for (const MethodEstimate& row : estimates)
    text += fmt::format(" {} {};", row.method, estimate_text(row.estimate));
  return text;
}

Html measure_html(const Comparison& comparison, const ComparedMeasure& measure) {
  const std::vector<MethodEstimate> estimates = estimates_of(comparison, measure);
  const Axis axis = {.title = measure.title, .format = "~g", .from_zero = true};
  const Figure figure = {
      .title = measure.title,
      .caption = comparison.is_repetition
                     ? "Lower is better. One point and interval a run, on the method's line."
                     : "Lower is better. Lines are intervals.",
      .panels = {{"", alt_text(measure, estimates),
                  estimates_chart(estimates, axis, std::nullopt)}},
      .data = measure_table(comparison, measure),
      .arrangement = Arrangement::kOne};
  return to_html(figure);
}

Section findings_part(const Comparison& comparison) {
  return {"findings", "What was found", findings_html(comparison_findings(comparison))};
}

Section results_part(const Comparison& comparison) {
  Section section = {"results", "Results", {}};
  for (const ComparedMeasure& measure : comparison.measures)
    section.body += measure_html(comparison, measure);
  const Table differences = differences_table(comparison);
  if (!differences.rows.empty()) section.body += to_html(differences);
  return section;
}

Section samples_part(const Comparison& comparison) {
  Section section = {"samples", "Samples", {}};
  for (const ComparedRun& run : comparison.runs) {
    Html grids;
    for (const Json& method : list_at(run.results, "/methods"))
      grids += samples_figure(method, method_title(method),
                              method_hue(comparison, text_at(method, "/name")), run.folder);
    if (grids.empty()) continue;
    section.body += element("h3", {}, run.label);
    section.body += element("div", {{"class", "grids"}}, grids);
  }
  return section;
}

Section runs_part(const Comparison& comparison) {
  Section section = {"runs", "Runs", to_html(runs_table(comparison))};
  const Table settings = settings_table(comparison);
  section.body +=
      settings.rows.empty() ? element("p", {}, "No setting differs.") : to_html(settings);
  return section;
}

std::string comparison_title(const Comparison& comparison) {
  const std::string title = text_at(comparison.runs.front().results, "/title");
  return title.empty() ? "Comparison of runs" : title;
}

Json estimate_json(const std::optional<Estimate>& estimate) {
  if (!estimate) return nullptr;
  Json json = {{"value", estimate->value}};
  if (estimate->low) json["low"] = *estimate->low;
  if (estimate->high) json["high"] = *estimate->high;
  return json;
}

Json measure_json(const ComparedMeasure& measure) {
  Json methods = Json::array();
  for (const ComparedMethod& method : measure.methods) {
    Json by_run = Json::array();
    for (const auto& estimate : method.by_run) by_run.push_back(estimate_json(estimate));
    methods.push_back({{"name", method.name}, {"title", method.title}, {"by_run", by_run}});
  }
  return {{"id", measure.id},
          {"title", measure.title},
          {"one_recipe", measure.is_one_recipe},
          {"methods", methods}};
}

}  // namespace

std::string comparison_html(const Comparison& comparison) {
  std::string labels;
  for (const ComparedRun& run : comparison.runs)
    labels += (labels.empty() ? "" : " · ") + run.label;
  return page_html(
      {.kicker = "Equipoise comparison", .title = comparison_title(comparison), .facts = labels},
      {findings_part(comparison), results_part(comparison), samples_part(comparison),
       runs_part(comparison)});
}

std::string comparison_markdown(const Comparison& comparison) {
  std::string text = "# " + escape_markdown(comparison_title(comparison)) + "\n\n## Findings\n\n" +
                     findings_markdown(comparison_findings(comparison));
  std::vector<Table> tables;
  for (const ComparedMeasure& measure : comparison.measures)
    tables.push_back(measure_table(comparison, measure));
  tables.push_back(differences_table(comparison));
  tables.push_back(settings_table(comparison));
  tables.push_back(runs_table(comparison));
  return text + tables_markdown(tables);
}

Json comparison_json(const Comparison& comparison) {
  Json runs = Json::array(), measures = Json::array(), differences = Json::array();
  for (const ComparedRun& run : comparison.runs)
    runs.push_back({{"label", run.label},
                    {"folder", run.folder.string()},
                    {"seed", value_at(run.results, "/seed")}});
  for (const ComparedMeasure& measure : comparison.measures)
    measures.push_back(measure_json(measure));
  for (const PairedDifference& difference : comparison.differences)
    differences.push_back({{"method", difference.method},
                           {"measure", difference.measure},
                           {"num_runs", difference.num_runs},
                           {"num_lower", difference.num_lower},
                           {"estimate", estimate_json(difference.estimate)}});
  return {{"format", "equipoise-comparison/1"}, {"repetition", comparison.is_repetition},
          {"baseline", comparison.baseline},    {"runs", runs},
          {"settings", comparison.settings},    {"measures", measures},
          {"differences", differences}};
}

void write_comparison(const Comparison& comparison, const std::filesystem::path& out_path) {
  const std::string ending = out_path.extension();
  io::write_file_atomically(out_path, ending == ".md" ? comparison_markdown(comparison)
                                      : ending == ".json"
                                          ? comparison_json(comparison).dump(2) + "\n"
                                          : comparison_html(comparison));
}

}  // namespace equipoise::report
