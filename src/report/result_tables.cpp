#include "report/result_tables.h"

#include <algorithm>

#include <fmt/format.h>

#include "report/number_text.h"

namespace equipoise::report {
namespace {

int rank_of(const std::string& severity) {
  return severity == "high" ? 0 : severity == "medium" ? 1 : 2;
}

/// The distance's own name, such as "FID", where a method has one.
std::string frechet_title(const Json& results) {
  for (const Json& method : list_at(results, "/methods"))
    if (const std::string name = text_at(method, "/frechet/name"); !name.empty()) return name;
  return "Fréchet distance";
}

Row method_row(const Json& method, int hue) {
  return {.cells = {method_title(method), estimate_text(total_variation_of(method)),
                    estimate_text(estimate_at(method, "/frechet")),
                    estimate_text(estimate_at(method, "/coverage")),
                    number_text(number_at(method, "/nearest_reference/ratio")),
                    percent_text(
                        number_at(method, "/nearest_reference/share_closer_than_heldout_p05"))},
          .hue = hue};
}

/// What real images score. The last two columns are measured against held-out images: there it is
/// so by definition.
Row real_images_row(const std::vector<Json>& methods) {
  const auto first = [&](const std::string& pointer) -> std::optional<double> {
    for (const Json& method : methods)
      if (const auto value = number_at(method, pointer)) return value;
    return std::nullopt;
  };
  const auto corrected_floor = first("/total_variation/corrected/floor");
  const bool has_nearest = first("/nearest_reference/ratio").has_value();
  return {.cells = {
              "Real images",
              number_text(corrected_floor ? corrected_floor : first("/total_variation/raw/floor")),
              number_text(first("/frechet/floor/value")), number_text(first("/coverage/expected")),
              has_nearest ? number_text(1.0) : kAbsent,
              has_nearest ? percent_text(0.05) : kAbsent}};
}

double total_of(const std::vector<Json>& counts) {
  double total = 0;
  for (const Json& count : counts) total += count.is_number() ? count.get<double>() : 0;
  return total;
}

std::string count_and_share(const Json& count, double total) {
  if (!count.is_number()) return kAbsent;
  return count_text(count.get<double>()) +
         (total > 0 ? " · " + percent_text(count.get<double>() / total) : "");
}

void add_identity(Table& table, const std::string& name, const std::string& value) {
  if (!value.empty()) table.rows.push_back({.cells = {name, value}});
}

/// "path · sha256 …" of an object {"file", "sha256"}.
std::string file_identity(const Json& json, const std::string& pointer) {
  std::string text = text_at(json, pointer + "/file");
  const std::string hash = text_at(json, pointer + "/sha256");
  if (!hash.empty()) text += (text.empty() ? "sha256 " : " · sha256 ") + hash;
  return text;
}

}  // namespace

std::vector<Finding> sorted_findings(const Json& results) {
  std::vector<Finding> findings;
  for (const Json& finding : list_at(results, "/findings")) {
    findings.push_back({text_at(finding, "/severity"), text_at(finding, "/subject"),
                        text_at(finding, "/text"), text_at(finding, "/limits")});
  }
  std::ranges::stable_sort(findings, {},
                           [](const Finding& finding) { return rank_of(finding.severity); });
  return findings;
}

Table methods_table(const Json& results) {
  const std::vector<Json> methods = list_at(results, "/methods");
  Table table = {.caption = "Results by method",
                 .columns = {{"Method"},
                             {"Total variation to target", true},
                             {frechet_title(results), true},
                             {"Coverage", true},
                             {"Nearest-reference ratio", true},
                             {"Unusually near", true}},
                 .rows = {}};
  for (size_t i = 0; i < methods.size(); ++i)
    table.rows.push_back(method_row(methods[i], static_cast<int>(i)));
  if (!methods.empty()) table.rows.push_back(real_images_row(methods));
  return table;
}

Table costs_table(const Json& results) {
  const std::vector<Json> methods = list_at(results, "/methods");
  Table table = {.caption = "Cost by method",
                 .columns = {{"Method"},
                             {"Parameters", true},
                             {"Training images", true},
                             {"Training images/s", true},
                             {"Training time", true},
                             {"Samples", true},
                             {"Sampling time", true}},
                 .rows = {}};
  for (size_t i = 0; i < methods.size(); ++i) {
    const Json& method = methods[i];
    table.rows.push_back(
        {.cells = {method_title(method), count_text(number_at(method, "/model/num_parameters")),
                   count_text(number_at(method, "/training/images")),
                   count_text(number_at(method, "/training/images_per_sec")),
                   seconds_text(number_at(method, "/training/seconds")),
                   count_text(number_at(method, "/samples/num")),
                   seconds_text(number_at(method, "/samples/seconds"))},
         .hue = static_cast<int>(i)});
  }
  return table;
}

Table composition_table(const Json& results) {
  Table table = {.caption = "Images by class and set", .columns = {{"Class"}}, .rows = {}};
  const std::vector<Json> sets = list_at(results, "/data/sets"),
                          target = list_at(results, "/data/target");
  size_t num_classes = std::max(class_names(results).size(), target.size());
  for (const Json& set : sets) {
    table.columns.push_back({text_at(set, "/name"), true});
    num_classes = std::max(num_classes, list_at(set, "/counts").size());
  }
  if (sets.empty()) return table;
  if (!target.empty()) table.columns.push_back({"target", true});
  for (size_t group = 0; group < num_classes; ++group) {
    Row row = {.cells = {class_name(class_names(results), group)}};
    for (const Json& set : sets) {
      const std::vector<Json> counts = list_at(set, "/counts");
      row.cells.push_back(group < counts.size() ? count_and_share(counts[group], total_of(counts))
                                                : kAbsent);
    }
    if (!target.empty()) row.cells.push_back(percent_text(target_share(results, group)));
    table.rows.push_back(row);
  }
  Row totals = {.cells = {"All"}};
  for (const Json& set : sets) totals.cells.push_back(count_text(number_at(set, "/size")));
  if (!target.empty()) totals.cells.push_back(percent_text(total_of(target)));
  table.rows.push_back(totals);
  return table;
}

Table shares_table(const Json& results) {
  Table table = {.caption = "Class shares of the samples",
                 .columns = {{"Class"}, {"target", true}},
                 .rows = {}};
  const std::vector<Json> methods = list_at(results, "/methods");
  size_t num_groups = 0;
  for (const Json& method : methods) {
    table.columns.push_back({method_title(method) + ", as classified", true});
    table.columns.push_back({method_title(method) + ", corrected", true});
    num_groups = std::max(num_groups, list_at(method, "/shares").size());
  }
  for (size_t group = 0; group < num_groups; ++group) {
    Row row = {.cells = {class_name(class_names(results), group),
                         percent_text(target_share(results, group))}};
    for (const Json& method : methods) {
      const std::string pointer = fmt::format("/shares/{}", group);
      const std::string name = text_at(method, pointer + "/group");
      if (!name.empty() && !value_at(method, pointer + "/group").is_number()) row.cells[0] = name;
      row.cells.push_back(percent_text(estimate_at(method, pointer + "/raw")));
      row.cells.push_back(percent_text(estimate_at(method, pointer + "/corrected")));
    }
    table.rows.push_back(row);
  }
  return table;
}

Table stages_table(const Json& results) {
  Table table = {.caption = "Time per stage",
                 .columns = {{"Stage"}, {"Time", true}, {"Share", true}},
                 .rows = {}};
  const std::vector<Json> stages = list_at(results, "/stages");
  double total = 0;
  for (const Json& stage : stages) total += number_at(stage, "/seconds").value_or(0);
  for (const Json& stage : stages) {
    const auto seconds = number_at(stage, "/seconds");
    table.rows.push_back(
        {.cells = {text_at(stage, "/name"), seconds_text(seconds),
                   seconds && total > 0 ? percent_text(*seconds / total) : kAbsent}});
  }
  if (!stages.empty()) table.rows.push_back({.cells = {"All", seconds_text(total), ""}});
  return table;
}

Table identity_table(const Json& results) {
  Table table = {.caption = "Versions and hashes", .columns = {{"What"}, {"Value"}}, .rows = {}};
  add_identity(table, "Seed", text_at(results, "/seed"));
  const Json& software = value_at(results, "/software");
  if (software.is_object())
    for (const auto& [name, value] : software.items())
      add_identity(table, name, text_at(value, ""));
  std::string source = text_at(results, "/data/source");
  const std::string source_hash = text_at(results, "/data/sha256");
  if (!source_hash.empty()) source += " · sha256 " + source_hash;
  add_identity(table, "Data", source);
  add_identity(table, "Split", file_identity(results, "/data/split"));
  add_identity(table, "Classifier", file_identity(results, "/classifier"));
  for (const Json& ratio : list_at(results, "/ratios"))
    add_identity(table, "Ratio " + text_at(ratio, "/name"), file_identity(ratio, ""));
  for (const Json& method : list_at(results, "/methods"))
    add_identity(table, "Model " + method_title(method), file_identity(method, "/model"));
  return table;
}

}  // namespace equipoise::report
