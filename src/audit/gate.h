// Requirements on measured numbers, for scripts and continuous integration:
//
//   tv<=0.05   tiw_dsm.frechet<=0.3   share.Female>=0.45   frechet.difference<0.2
//
// A requirement is NAME OP NUMBER with OP one of <= < >= >; NAME is METHOD.NUMBER or, for every
// method of the file, NUMBER alone. Numbers, where the file holds them:
//
//   tv, hellinger, kl, chi_square   distance of the shares to the target; corrected where there is a
//                                   correction; tv.raw, tv.corrected state which
//   share.GROUP                     the same for a group's share
//   METRIC                          a metric's headline: frechet, kid, coverage, ...
//   precision, recall
//   METRIC.GROUP, METRIC.difference, .difference_to_overall, .ratio, .ratio_to_overall, .group_min,
//   .group_max                      of group_frames; METRIC there may also be accuracy or
//                                   representation
//   paired.tv, paired.frechet       less the other model's
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "metrics/intervals.h"

namespace equipoise::audit {

enum class Comparison { kAtMost, kBelow, kAtLeast, kAbove };

struct Requirement {
  std::string text;  ///< as given
  std::string name;
  Comparison comparison = Comparison::kAtMost;
  double bound = 0;
};
/// Throws UsageError for anything but NAME OP NUMBER.
Requirement parse_requirement(const std::string& text);

/// Which end of a number's interval must satisfy the requirement.
enum class IntervalEnd { kLower, kValue, kUpper };
/// "lower", "value" or "upper". Throws UsageError offering the nearest.
IntervalEnd interval_end_named(const std::string& name);

/// What became of one requirement for one method.
struct Verdict {
  std::string subject;  ///< "tiw_dsm.tv<=0.05"
  double value = 0;
  std::optional<metrics::Interval> interval;  ///< where the number has one
  bool holds = false;
};

/// results.json of a run (or its folder), or what `evaluate --json` wrote.
/// Throws DataError when the file is missing, damaged, or of another format.
nlohmann::json read_measurements(const std::filesystem::path& path);

/// One verdict a requirement and method it is about, in order.
/// Throws UsageError for a number that the file does not hold (the nearest is offered), and for an
/// end of an interval that it lacks.
std::vector<Verdict> judge(const nlohmann::json& measurements,
                           const std::vector<Requirement>& requirements,
                           IntervalEnd end = IntervalEnd::kValue);

/// "holds  tiw_dsm.tv<=0.05  0.031 (0.012 to 0.049)"
std::string to_text(const Verdict& verdict);

}  // namespace equipoise::audit
