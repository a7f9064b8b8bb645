#include "audit/gate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/spelling.h"
#include "io/json_lines.h"
#include "metrics/metric.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::json;
using metrics::Interval;

/// A number of the file, with its interval where it has one.
struct Number {
  double value = 0;
  std::optional<Interval> interval;
};
using Numbers = std::map<std::string, Number>;

std::optional<Number> number_in(const Json& json) {
  if (json.is_number()) return Number{json.get<double>(), std::nullopt};
  if (!json.is_object() || !json.contains("value") || !json.at("value").is_number())
    return std::nullopt;
  Number number{json.at("value").get<double>(), std::nullopt};
  if (json.contains("low") && json.contains("high"))
    number.interval = metrics::interval_from_json(json, "measured number");
  return number;
}

void add(Numbers& numbers, const std::string& name, const Json& entry, const std::string& pointer) {
  const Json::json_pointer where(pointer);
  if (!entry.contains(where)) return;
  if (const auto number = number_in(entry.at(where))) numbers.emplace(name, *number);
}

/// {"raw", "corrected"} under `name`, which stands for the corrected one where there is one.
void add_corrected(Numbers& numbers, const std::string& name, const Json& entry,
                   const std::string& pointer) {
  add(numbers, name, entry, pointer + "/corrected");
  add(numbers, name, entry, pointer + "/raw");
  add(numbers, name + ".corrected", entry, pointer + "/corrected");
  add(numbers, name + ".raw", entry, pointer + "/raw");
}

void add_metrics(Numbers& numbers, const Json& entry) {
  for (const auto& [name, metric] : metrics::MetricRegistry::instance().entries()) {
    std::string headline = metric.make.headline;
    if (headline.empty()) continue;
    // The object around "value" has the interval.
    if (headline.ends_with("/value")) headline.resize(headline.size() - 6);
    add(numbers, name, entry, "/" + name + headline);
  }
  add(numbers, "precision", entry, "/precision_recall/precision");
  add(numbers, "recall", entry, "/precision_recall/recall");
}

void add_shares(Numbers& numbers, const Json& entry) {
  add_corrected(numbers, "tv", entry, "/total_variation");
  for (const char* name : {"hellinger", "kl", "chi_square"})
    add_corrected(numbers, name, entry, std::string("/share_distances/") + name);
  for (const Json& share : entry.value("shares", Json::array()))
    add_corrected(numbers, "share." + share.value("group", ""), share, "");
}

void add_frames(Numbers& numbers, const Json& entry) {
  const Json frames = entry.value("group_frames", Json::object());
  for (const auto& [name, frame] : frames.items()) {
    add(numbers, name, frame, "/overall");
    for (const char* part : {"difference", "difference_to_overall", "ratio", "ratio_to_overall",
                             "group_min", "group_max"})
      add(numbers, name + "." + part, frame, std::string("/") + part);
    const Json by_group = frame.value("by_group", Json::object());
    for (const auto& [group, number] : by_group.items())
      if (const auto found = number_in(number)) numbers.emplace(name + "." + group, *found);
  }
}

Numbers numbers_of(const Json& entry) {
  Numbers numbers;
  add_metrics(numbers, entry);
  add_shares(numbers, entry);
  add_frames(numbers, entry);
  add(numbers, "paired.tv", entry, "/paired/total_variation");
  add(numbers, "paired.frechet", entry, "/paired/frechet");
  return numbers;
}

struct Method {
  std::string name;  ///< "" of an evaluation
  Numbers numbers;
};

std::vector<Method> methods_in(const Json& measurements) try {
  if (!measurements.contains("methods")) return {{"", numbers_of(measurements)}};
  std::vector<Method> methods;
  for (const Json& entry : measurements.at("methods"))
    methods.push_back({entry.at("name").get<std::string>(), numbers_of(entry)});
  return methods;
} catch (const Json::exception& problem) {
  throw DataError({.where = "measured numbers",
                   .what = "the file is not laid out as its format says",
                   .got = problem.what()});
}

std::string full_name(const Method& method, const std::string& number) {
  return method.name.empty() ? number : method.name + "." + number;
}

[[noreturn]] void refuse_unknown(const std::string& name, const Method& method,
                                 const std::vector<Method>& methods) {
  std::vector<std::string> numbers, all, names;
  for (const auto& [number, unused] : method.numbers) numbers.push_back(number);
  for (const Method& one : methods) {
    if (!one.name.empty()) names.push_back(one.name);
    for (const auto& [number, unused] : one.numbers) all.push_back(full_name(one, number));
  }
  all.insert(all.end(), numbers.begin(), numbers.end());
  const std::string nearest = nearest_name(name, all);
  throw UsageError(
      {.where = "--require",
       .what = method.name.empty()
                   ? fmt::format("the file holds no number '{}'", name)
                   : fmt::format("the file holds no number '{}' of method '{}'", name, method.name),
       .expected = fmt::format(
           "one of: {}{}", fmt::join(numbers, ", "),
           names.empty() ? "" : fmt::format("; of the methods {}", fmt::join(names, ", "))),
       .hint = nearest.empty() ? "" : fmt::format("Did you mean '{}'?", nearest)});
}

/// The methods a requirement is about, and the number's name without the method.
std::pair<std::vector<const Method*>, std::string> subjects_of(const Requirement& requirement,
                                                               const std::vector<Method>& methods) {
  std::vector<const Method*> all;
  for (const Method& method : methods) {
    if (!method.name.empty() && requirement.name.starts_with(method.name + "."))
      return {{&method}, requirement.name.substr(method.name.size() + 1)};
    all.push_back(&method);
  }
  return {all, requirement.name};
}

double end_of(const Number& number, IntervalEnd end, const std::string& subject) {
  if (end == IntervalEnd::kValue) return number.value;
  if (!number.interval)
    throw UsageError({.where = "--require",
                      .what = fmt::format("the number of '{}' has no interval", subject),
                      .hint = "--on value"});
  return end == IntervalEnd::kLower ? number.interval->low : number.interval->high;
}

bool satisfies(double value, const Requirement& requirement) {
  switch (requirement.comparison) {
    case Comparison::kAtMost:
      return value <= requirement.bound;
    case Comparison::kBelow:
      return value < requirement.bound;
    case Comparison::kAtLeast:
      return value >= requirement.bound;
    case Comparison::kAbove:
      return value > requirement.bound;
  }
  return false;
}

std::string trimmed(std::string text) {
  const auto is_space = [](char c) { return c == ' '; };
  text.erase(text.begin(), std::ranges::find_if_not(text, is_space));
  while (!text.empty() && is_space(text.back())) text.pop_back();
  return text;
}

std::optional<double> finite_number(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

}  // namespace

Requirement parse_requirement(const std::string& text) {
  // The last one: a group's name may hold such a sign, a number does not.
  const size_t sign = text.find_last_of("<>");
  if (sign != text.npos) {
    const bool has_equals = text.compare(sign + 1, 1, "=") == 0;
    const std::string name = trimmed(text.substr(0, sign));
    const auto bound = finite_number(trimmed(text.substr(sign + (has_equals ? 2 : 1))));
    if (!name.empty() && bound)
      return {.text = text,
              .name = name,
              .comparison = text[sign] == '<'
                                ? (has_equals ? Comparison::kAtMost : Comparison::kBelow)
                                : (has_equals ? Comparison::kAtLeast : Comparison::kAbove),
              .bound = *bound};
  }
  throw UsageError({.where = "--require",
                    .what = "not a requirement",
                    .got = "'" + text + "'",
                    .expected = "NAME<=NUMBER, or with <, >= or >"});
}

IntervalEnd interval_end_named(const std::string& name) {
  if (name == "lower") return IntervalEnd::kLower;
  if (name == "value") return IntervalEnd::kValue;
  if (name == "upper") return IntervalEnd::kUpper;
  throw unknown_name("end of the interval", name, {"lower", "value", "upper"});
}

Json read_measurements(const std::filesystem::path& path) {
  const std::filesystem::path file =
      std::filesystem::is_directory(path) ? path / "results.json" : path;
  Json measurements = io::read_json(file);
  const Json format_json = measurements.is_object() ? measurements.value("format", Json()) : Json();
  const std::string format = format_json.is_string() ? format_json.get<std::string>() : "";
  if (format == "equipoise-results/1" || format == "equipoise-evaluation/1") return measurements;
  throw DataError({.where = file.string(),
                   .what = "this is no file of measured numbers that this version reads",
                   .got = format.empty() ? "no \"format\"" : format,
                   .expected = "equipoise-results/1 or equipoise-evaluation/1"});
}

std::vector<Verdict> judge(const Json& measurements, const std::vector<Requirement>& requirements,
                           IntervalEnd end) {
  const std::vector<Method> methods = methods_in(measurements);
  std::vector<Verdict> verdicts;
  for (const Requirement& requirement : requirements) {
    const auto [subjects, name] = subjects_of(requirement, methods);
    for (const Method* method : subjects) {
      const auto found = method->numbers.find(name);
      if (found == method->numbers.end()) refuse_unknown(requirement.name, *method, methods);
      const Number& number = found->second;
      const std::string subject =
          full_name(*method, name) + trimmed(requirement.text).substr(requirement.name.size());
      verdicts.push_back({.subject = subject,
                          .value = number.value,
                          .interval = number.interval,
                          .holds = satisfies(end_of(number, end, subject), requirement)});
    }
  }
  return verdicts;
}

std::string to_text(const Verdict& verdict) {
  std::string text = fmt::format("{}  {}  {:.4g}", verdict.holds ? "holds" : "fails",
                                 verdict.subject, verdict.value);
  if (verdict.interval)
    text += fmt::format(" ({:.4g} to {:.4g})", verdict.interval->low, verdict.interval->high);
  return text;
}

}  // namespace equipoise::audit
