// A number of an audit with what a reader needs to use it: how sure, how made, and what it does not
// say.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "metrics/intervals.h"

namespace equipoise::audit {

struct AuditNumber {
  std::string name;
  metrics::Interval interval;
  std::string recipe;    ///< from what and how it was computed
  std::string not_said;  ///< one sentence: what it does not mean
};

/// {"name", "value", "low", "high", "level", "method", "recipe", "not_said"}
nlohmann::ordered_json to_json(const AuditNumber& number);
nlohmann::ordered_json to_json(const std::vector<AuditNumber>& numbers);

}  // namespace equipoise::audit
