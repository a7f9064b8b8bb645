// Several runs beside each other: repetitions of one recipe under other seeds, or recipes that
// differ.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/result_tables.h"
#include "report/results.h"
#include "report/table.h"

namespace equipoise::report {

struct ComparedRun {
  std::string label;  ///< the folder's name, or its path where two have the same name
  std::filesystem::path folder;
  Json results;
};

/// One number of one method in every run that measured it.
struct ComparedMethod {
  std::string name, title;
  std::vector<std::optional<Estimate>> by_run;
};

/// A measurement that both kinds of comparison speak of. Lower is better.
struct ComparedMeasure {
  std::string id, title;
  bool is_ratio = false;       ///< compared by ratios, otherwise by differences
  bool is_one_recipe = false;  ///< every run measured it in the same way
  std::vector<ComparedMethod> methods;
};

/// A method against the baseline, run by run.
struct PairedDifference {
  std::string method, title;
  std::string measure;  ///< ComparedMeasure::id
  int num_runs = 0;     ///< that have both
  int num_lower = 0;    ///< of these, in how many the method's number is the lower one
  /// Mean over runs of method - baseline, or geometric mean of method / baseline, with Student's
  /// 95 % interval where there are two runs or more.
  Estimate estimate{};
};

struct Comparison {
  std::vector<ComparedRun> runs;
  /// Configuration keys whose values differ, with the value in each run ("" = not there).
  std::map<std::string, std::vector<std::string>> settings;
  /// The runs differ in seed, data seed or machine alone.
  bool is_repetition = false;
  std::string baseline;  ///< the method that the others are held against; "" = none in every run
  std::vector<ComparedMeasure> measures;
  std::vector<PairedDifference> differences;  ///< of repetitions only
};

/// Reads every folder's results.json. `baseline` names a method, "" = the first that all runs have.
/// Throws: DataError as `load_results`; UsageError when fewer than two runs are given, one is given
/// twice, or `baseline` is not a method of every run.
Comparison compare_runs(const std::vector<std::filesystem::path>& folders,
                        const std::string& baseline);

/// The method's place among all methods of all runs: its colour.
int method_hue(const Comparison& comparison, const std::string& name);

/// Mean with Student's 95 % interval, which wants two values or more.
Estimate mean_estimate(const std::vector<double>& values);

/// What the numbers say, worst first.
std::vector<Finding> comparison_findings(const Comparison& comparison);
/// One row a method, one column a run, mean and standard deviation where the runs are repetitions
/// and measured alike.
Table measure_table(const Comparison& comparison, const ComparedMeasure& measure);
Table differences_table(const Comparison& comparison);
Table settings_table(const Comparison& comparison);
/// What identifies each run.
Table runs_table(const Comparison& comparison);

}  // namespace equipoise::report
