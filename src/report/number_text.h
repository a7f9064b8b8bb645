// Numbers as the report prints them; "–" stands for what was not measured.
#pragma once

#include <optional>
#include <string>

#include "report/results.h"

namespace equipoise::report {

inline constexpr const char* kAbsent = "–";

/// About three significant digits: "0.083", "12.5", "1,204", "2.10e-05".
std::string number_text(std::optional<double> value);
/// "12.3 %"
std::string percent_text(std::optional<double> share);
/// "0.083 (0.061–0.107)"
std::string estimate_text(const std::optional<Estimate>& estimate);
/// "12.3 % (10.9–13.8 %)"
std::string percent_text(const std::optional<Estimate>& estimate);
/// "steps = 18, name = heun" of an object's values; other values as they are.
std::string properties_text(const Json& json);
/// "12,288"
std::string count_text(std::optional<double> count);
/// "3 min 20 s"
std::string seconds_text(std::optional<double> seconds);

}  // namespace equipoise::report
