#include "report/comparison.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <set>

#include <fmt/format.h>
#include <boost/math/distributions/students_t.hpp>

#include "core/error.h"
#include "report/number_text.h"

namespace equipoise::report {
namespace {

constexpr double kLevel = 0.95;
/// Settings that make another repetition of the same experiment, not another experiment.
const std::set<std::string> kRepetitionKeys = {"/seed",       "/threads",   "/device",
                                               "/objectives", "/data/path", "/data/evaluation"};

const Json* find_method(const Json& results, const std::string& name) {
  for (const Json& method : value_at(results, "/methods"))
    if (text_at(method, "/name") == name) return &method;
  return nullptr;
}

std::vector<ComparedRun> load_runs(const std::vector<std::filesystem::path>& folders) {
  std::map<std::string, int> times_named;
  std::set<std::filesystem::path> seen;
  const auto name_of = [](const std::filesystem::path& folder) {
    return std::filesystem::weakly_canonical(folder).filename().string();
  };
  for (const auto& folder : folders) {
    ++times_named[name_of(folder)];
    if (!seen.insert(std::filesystem::weakly_canonical(folder)).second)
      throw UsageError({.where = "report",
                        .what = "a run is given twice",
                        .got = folder.string(),
                        .expected = "every run folder once"});
  }
  std::vector<ComparedRun> runs;
  for (const auto& folder : folders) {
    const std::string name = name_of(folder);
    const std::string label = times_named[name] > 1 ? folder.string() : name;
    runs.push_back({.label = label, .folder = folder, .results = load_results(folder)});
  }
  return runs;
}

std::map<std::string, std::vector<std::string>> differing_settings(
    const std::vector<ComparedRun>& runs) {
  std::map<std::string, std::vector<std::string>> settings;
  for (size_t i = 0; i < runs.size(); ++i) {
    const Json& config = value_at(runs[i].results, "/config");
    if (!config.is_object()) continue;
    const Json flat = config.flatten();
    for (const auto& [key, value] : flat.items()) {
      auto& values = settings[key.starts_with("/objectives") ? "/objectives" : key];
      values.resize(runs.size());
      if (!values[i].empty()) values[i] += ", ";
      values[i] += value.is_string() ? value.get<std::string>() : value.dump();
    }
  }
  std::erase_if(settings, [](const auto& setting) {
    return std::ranges::all_of(
        setting.second, [&](const std::string& value) { return value == setting.second.front(); });
  });
  return settings;
}

/// Names of all methods, in the order of the first run that has each.
std::vector<std::pair<std::string, std::string>> all_methods(const std::vector<ComparedRun>& runs) {
  std::vector<std::pair<std::string, std::string>> methods;
  for (const ComparedRun& run : runs) {
    for (const Json& method : value_at(run.results, "/methods")) {
      const std::string name = text_at(method, "/name");
      if (std::ranges::find(methods, name, &std::pair<std::string, std::string>::first) ==
          methods.end())
        methods.emplace_back(name, method_title(method));
    }
  }
  return methods;
}

using Reading = std::function<std::optional<Estimate>(const Json& method)>;

ComparedMeasure read_measure(const std::vector<ComparedRun>& runs, const Reading& reading,
                             const std::string& recipe_pointer) {
  ComparedMeasure measure;
  std::set<std::string> recipes;
  for (const auto& [name, title] : all_methods(runs)) {
    ComparedMethod compared = {.name = name, .title = title, .by_run = {}};
    for (const ComparedRun& run : runs) {
      const Json* method = find_method(run.results, name);
      compared.by_run.push_back(method ? reading(*method) : std::nullopt);
      if (compared.by_run.back() && !recipe_pointer.empty())
        recipes.insert(text_at(*method, recipe_pointer));
    }
    if (std::ranges::any_of(compared.by_run, [](const auto& value) { return value.has_value(); }))
      measure.methods.push_back(compared);
  }
  measure.is_one_recipe = recipes.size() <= 1;
  return measure;
}

std::vector<ComparedMeasure> read_measures(const std::vector<ComparedRun>& runs) {
  ComparedMeasure variation = read_measure(runs, total_variation_of, "");
  variation.id = "total_variation";
  variation.title = "Total variation to the target";
  ComparedMeasure distance = read_measure(
      runs, [](const Json& method) { return estimate_at(method, "/frechet"); }, "/frechet/recipe");
  distance.id = "frechet";
  distance.title = "Fréchet distance to the evaluation images";
  distance.is_ratio = true;
  std::vector<ComparedMeasure> measures = {variation, distance};
  std::erase_if(measures, [](const auto& measure) { return measure.methods.empty(); });
  return measures;
}

std::string choose_baseline(const std::vector<ComparedRun>& runs, const std::string& wanted) {
  std::string common;
  for (const auto& [name, title] : all_methods(runs)) {
    const bool is_everywhere = std::ranges::all_of(
        runs, [&](const ComparedRun& run) { return find_method(run.results, name) != nullptr; });
    if (!is_everywhere) continue;
    if (wanted.empty() || name == wanted) return name;
    common += (common.empty() ? "" : ", ") + name;
  }
  if (wanted.empty()) return "";
  throw UsageError({.where = "report --baseline",
                    .what = "this is not a method of every run",
                    .got = wanted,
                    .expected = common.empty() ? "the runs share no method" : "one of " + common});
}

std::optional<PairedDifference> paired_difference(const ComparedMeasure& measure,
                                                  const ComparedMethod& method,
                                                  const ComparedMethod& baseline) {
  PairedDifference difference = {
      .method = method.name, .title = method.title, .measure = measure.id};
  std::vector<double> values;
  for (size_t i = 0; i < method.by_run.size(); ++i) {
    if (!method.by_run[i] || !baseline.by_run[i]) continue;
    const double own = method.by_run[i]->value, other = baseline.by_run[i]->value;
    if (measure.is_ratio && (own <= 0 || other <= 0)) continue;
    values.push_back(measure.is_ratio ? std::log(own / other) : own - other);
    difference.num_lower += own < other;
  }
  if (values.empty()) return std::nullopt;
  difference.num_runs = static_cast<int>(values.size());
  difference.estimate = mean_estimate(values);
  if (measure.is_ratio) {
    Estimate& ratio = difference.estimate;
    ratio.value = std::exp(ratio.value);
    if (ratio.low) ratio.low = std::exp(*ratio.low);
    if (ratio.high) ratio.high = std::exp(*ratio.high);
  }
  return difference;
}

std::vector<PairedDifference> paired_differences(const Comparison& comparison) {
  std::vector<PairedDifference> differences;
  for (const ComparedMeasure& measure : comparison.measures) {
    const auto baseline =
        std::ranges::find(measure.methods, comparison.baseline, &ComparedMethod::name);
    if (baseline == measure.methods.end()) continue;
    for (const ComparedMethod& method : measure.methods) {
      if (method.name == comparison.baseline) continue;
      if (const auto difference = paired_difference(measure, method, *baseline))
        differences.push_back(*difference);
    }
  }
  return differences;
}

std::string title_of(const Comparison& comparison, const std::string& name) {
  for (const auto& [method, title] : all_methods(comparison.runs))
    if (method == name) return title;
  return name;
}

const ComparedMeasure& measure_of(const Comparison& comparison, const std::string& id) {
  return *std::ranges::find(comparison.measures, id, &ComparedMeasure::id);
}

/// "difference -0.071 (-0.106 to -0.036)": a dash between negative numbers cannot be read.
std::string estimate_words(const PairedDifference& difference, bool is_ratio) {
  const Estimate& estimate = difference.estimate;
  const std::string value =
      fmt::format("{} {}", is_ratio ? "ratio" : "difference", number_text(estimate.value));
  if (!estimate.low) return value;
  return fmt::format("{} ({} to {})", value, number_text(estimate.low), number_text(estimate.high));
}

/// Whether the interval leaves no doubt on which side the method lies.
std::string verdict(const PairedDifference& difference, bool is_ratio) {
  const double even = is_ratio ? 1 : 0;
  if (!difference.estimate.low) return "one run only, which says nothing of other seeds";
  if (*difference.estimate.high < even) return "lower beyond the runs' spread";
  if (*difference.estimate.low > even) return "higher beyond the runs' spread";
  return "not distinguishable over these runs";
}

Finding difference_finding(const Comparison& comparison, const PairedDifference& difference) {
  const ComparedMeasure& measure = measure_of(comparison, difference.measure);
  return {.severity = "info",
          .subject = difference.title + ", " + measure.title,
          .text = fmt::format("Lower than {}'s in {} of {} runs, {}: {}.",
                              title_of(comparison, comparison.baseline), difference.num_lower,
                              difference.num_runs, estimate_words(difference, measure.is_ratio),
                              verdict(difference, measure.is_ratio)),
          .limits =
              "95 % Student interval over runs; it speaks of other seeds of this experiment, "
              "not of other data."};
}

void add_identity_findings(const Comparison& comparison, std::vector<Finding>& findings) {
  std::set<std::string> data;
  for (const ComparedRun& run : comparison.runs) data.insert(text_at(run.results, "/data/sha256"));
  if (data.size() > 1)
    findings.push_back({.severity = "high",
                        .subject = "Data",
                        .text = "The runs were made from different data: differences between them "
                                "need not come from the methods.",
                        .limits = ""});
  for (const ComparedMeasure& measure : comparison.measures) {
    if (measure.is_one_recipe) continue;
    findings.push_back(
        {.severity = "medium",
         .subject = measure.title,
         .text = "The runs measured it in different ways, with another classifier or another "
                 "number of images. Compare methods of one run; numbers of different runs are not "
                 "comparable and are not averaged.",
         .limits = ""});
  }
}

Finding kind_finding(const Comparison& comparison) {
  if (comparison.is_repetition) {
    std::string seeds;
    for (const ComparedRun& run : comparison.runs)
      seeds += (seeds.empty() ? "" : ", ") + text_at(run.results, "/seed");
    return {.severity = "info",
            .subject = "Runs",
            .text = fmt::format("{} repetitions of one recipe, seeds {}.", comparison.runs.size(),
                                seeds),
            .limits = ""};
  }
  return {.severity = "info",
          .subject = "Runs",
          .text = fmt::format("{} runs that differ in {} settings; the table below names them.",
                              comparison.runs.size(), comparison.settings.size()),
          .limits =
              "With one run of each recipe, what a seed does and what a setting does cannot "
              "be told apart."};
}

}  // namespace

int method_hue(const Comparison& comparison, const std::string& name) {
  const auto methods = all_methods(comparison.runs);
  return static_cast<int>(
      std::ranges::find(methods, name, &std::pair<std::string, std::string>::first) -
      methods.begin());
}

Estimate mean_estimate(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {.value = mean};
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const boost::math::students_t law(n - 1);
  const double half_width =
      boost::math::quantile(law, 1 - (1 - kLevel) / 2) * std::sqrt(squares / (n - 1) / n);
  return {.value = mean, .low = mean - half_width, .high = mean + half_width};
}

Comparison compare_runs(const std::vector<std::filesystem::path>& folders,
                        const std::string& baseline) {
  if (folders.size() < 2)
    throw UsageError({.where = "report",
                      .what = "a comparison wants two runs or more",
                      .got = std::to_string(folders.size()),
                      .expected = "two run folders or more"});
  Comparison comparison;
  comparison.runs = load_runs(folders);
  comparison.settings = differing_settings(comparison.runs);
  comparison.is_repetition = std::ranges::all_of(comparison.settings, [](const auto& setting) {
    return kRepetitionKeys.contains(setting.first);
  });
  comparison.baseline = choose_baseline(comparison.runs, baseline);
  comparison.measures = read_measures(comparison.runs);
  if (comparison.is_repetition) comparison.differences = paired_differences(comparison);
  return comparison;
}

std::vector<Finding> comparison_findings(const Comparison& comparison) {
  std::vector<Finding> findings;
  add_identity_findings(comparison, findings);
  findings.push_back(kind_finding(comparison));
  for (const PairedDifference& difference : comparison.differences)
    findings.push_back(difference_finding(comparison, difference));
  return findings;
}

Table measure_table(const Comparison& comparison, const ComparedMeasure& measure) {
  Table table = {.caption = measure.title, .columns = {{"Method"}}, .rows = {}};
  for (const ComparedRun& run : comparison.runs) table.columns.push_back({run.label, true});
  const bool has_mean = comparison.is_repetition && measure.is_one_recipe;
  if (has_mean) table.columns.push_back({"Mean (95 % interval over runs)", true});
  for (const ComparedMethod& method : measure.methods) {
    Row row = {.cells = {method.title}, .hue = method_hue(comparison, method.name)};
    std::vector<double> values;
    for (const auto& estimate : method.by_run) {
      row.cells.push_back(estimate_text(estimate));
      if (estimate) values.push_back(estimate->value);
    }
    if (has_mean) row.cells.push_back(estimate_text(mean_estimate(values)));
    table.rows.push_back(row);
  }
  return table;
}

Table differences_table(const Comparison& comparison) {
  Table table = {
      .caption = "Against " + title_of(comparison, comparison.baseline) + ", within each run",
      .columns = {{"Method"}, {"Measurement"}, {"Lower in", true}, {"By", true}},
      .rows = {}};
  for (const PairedDifference& difference : comparison.differences) {
    const ComparedMeasure& measure = measure_of(comparison, difference.measure);
    table.rows.push_back(
        {.cells = {difference.title, measure.title,
                   fmt::format("{} of {}", difference.num_lower, difference.num_runs),
                   estimate_words(difference, measure.is_ratio)},
         .hue = method_hue(comparison, difference.method)});
  }
  return table;
}

Table settings_table(const Comparison& comparison) {
  Table table = {.caption = "Settings that differ", .columns = {{"Setting"}}, .rows = {}};
  for (const ComparedRun& run : comparison.runs) table.columns.push_back({run.label});
  for (const auto& [key, values] : comparison.settings) {
    std::string name = key.substr(1);
    std::ranges::replace(name, '/', '.');
    Row row = {.cells = {name}};
    for (const std::string& value : values) row.cells.push_back(value.empty() ? kAbsent : value);
    table.rows.push_back(row);
  }
  return table;
}

Table runs_table(const Comparison& comparison) {
  Table table = {.caption = "Runs",
                 .columns = {{"Run"}, {"Title"}, {"Seed"}, {"Version"}, {"Data, sha256"}},
                 .rows = {}};
  for (const ComparedRun& run : comparison.runs)
    table.rows.push_back(
        {.cells = {run.label, text_at(run.results, "/title"), text_at(run.results, "/seed"),
                   text_at(run.results, "/software/equipoise"),
                   text_at(run.results, "/data/sha256")}});
  return table;
}

}  // namespace equipoise::report
