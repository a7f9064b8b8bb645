// The rules behind `find_all`: each reads one part of the results and appends what it finds.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "audit/findings.h"
#include "metrics/intervals.h"

namespace equipoise::audit {

using Json = nlohmann::ordered_json;
using Findings = std::vector<Finding>;

/// A method's entry of results.json and how it is called in sentences.
struct Method {
  std::string title;
  const Json* entry;
  /// The part at a JSON pointer; null when absent.
  const Json* find(const std::string& pointer) const;
};
std::vector<Method> methods_of(const Json& results);

/// One number of one method.
struct Measured {
  std::string title;
  metrics::Interval interval;
};
/// The intervals at `pointer` of all methods that have one, smallest value first.
std::vector<Measured> ranked(const std::vector<Method>& methods, const std::string& pointer);
/// "A 0.06 (0.04 to 0.08)"; percent: "A 6.0 % (4.1 to 8.0)".
std::string in_words(const metrics::Interval& interval);
std::string in_percent(const metrics::Interval& interval);
std::string percent(double share);
/// "X comes first: 0.06 (…). Not distinguishable from it: Y 0.07 (…). Behind: Z …"
std::string ranking_in_words(const std::vector<Measured>& ranked);

// rules_groups.cpp
void judge_classifier(const Json& results, Findings& findings);
void judge_shares(const Json& results, Findings& findings);
void rank_by_target(const Json& results, Findings& findings);

// rules_quality.cpp
void judge_copies(const Json& results, Findings& findings);
void judge_coverage(const Json& results, Findings& findings);
void judge_sample_size(const Json& results, Findings& findings);
void rank_by_frechet(const Json& results, Findings& findings);

}  // namespace equipoise::audit
