// Numbers into sentences: what a reader of the results should know first, what it rests on, and
// where it stops holding.
//
// A verdict is passed only against the stated target and only where an interval carries it; where
// intervals overlap the sentence says that the methods are not distinguishable.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace equipoise::audit {

enum class Severity { kHigh, kMedium, kInfo };

struct Finding {
  Severity severity = Severity::kInfo;
  std::string subject;  ///< the method or part it is about
  std::string text;     ///< one or two sentences with the numbers
  std::string limits;   ///< what would make it wrong; may be empty
};

/// Findings about all methods of a results object (docs/formats/results.md), worst first, in a
/// fixed order.
/// Parts that are not there yield no findings. Throws UsageError when an interval is malformed.
std::vector<Finding> find_all(const nlohmann::ordered_json& results);

/// [{"severity": "high|medium|info", "subject", "text", "limits"}]
nlohmann::ordered_json to_json(const std::vector<Finding>& findings);

}  // namespace equipoise::audit
