#include "report/number_text.h"

#include <cmath>

#include <fmt/format.h>

#include "track/quantity_text.h"

namespace equipoise::report {

namespace {

/// Between two numbers: a dash beside a minus reads as two.
const char* range_mark(double low, double high) {
  return low < 0 || high < 0 ? " to " : "–";
}

}  // namespace

std::string number_text(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return kAbsent;
  const double size = std::abs(*value);
  if (size == 0) return "0";
  if (size >= 1000 && size < 1e15) return track::grouped(std::llround(*value));
  if (size < 1e-3) return fmt::format("{:.2e}", *value);
  return fmt::format("{:.{}f}", *value, size < 1 ? 3 : size < 10 ? 2 : 1);
}

std::string percent_text(std::optional<double> share) {
  return share ? fmt::format("{:.1f} %", 100 * *share) : kAbsent;
}

std::string estimate_text(const std::optional<Estimate>& estimate) {
  if (!estimate) return kAbsent;
  std::string text = number_text(estimate->value);
  if (estimate->low && estimate->high)
    text += fmt::format(" ({}{}{})", number_text(estimate->low),
                        range_mark(*estimate->low, *estimate->high), number_text(estimate->high));
  return text;
}

std::string percent_text(const std::optional<Estimate>& estimate) {
  if (!estimate) return kAbsent;
  std::string text = percent_text(estimate->value);
  if (estimate->low && estimate->high)
    text += fmt::format(" ({:.1f}{}{:.1f} %)", 100 * *estimate->low,
                        range_mark(*estimate->low, *estimate->high), 100 * *estimate->high);
  return text;
}

std::string properties_text(const Json& json) {
  std::string text;
  if (!json.is_object()) return text_at(json, "");
  for (const auto& [name, value] : json.items())
    text += (text.empty() ? "" : ", ") + name + " = " + text_at(value, "");
  return text;
}

std::string count_text(std::optional<double> count) {
  return count ? track::grouped(std::llround(*count)) : kAbsent;
}

std::string seconds_text(std::optional<double> seconds) {
  return seconds ? track::duration_text(*seconds) : kAbsent;
}

}  // namespace equipoise::report
