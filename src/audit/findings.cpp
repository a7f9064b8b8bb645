#include "audit/findings.h"

#include <algorithm>

#include <fmt/format.h>

#include "audit/rules.h"

namespace equipoise::audit {
namespace {

const char* name_of(Severity severity) {
  switch (severity) {
    case Severity::kHigh:
      return "high";
    case Severity::kMedium:
      return "medium";
    case Severity::kInfo:
      return "info";
  }
  return "info";
}

}  // namespace

const Json* Method::find(const std::string& pointer) const {
  const Json::json_pointer path(pointer);
  return entry->contains(path) && !entry->at(path).is_null() ? &entry->at(path) : nullptr;
}

std::vector<Method> methods_of(const Json& results) {
  std::vector<Method> methods;
  if (!results.contains("methods")) return methods;
  for (const Json& entry : results.at("methods")) {
    methods.push_back(
        {entry.value("title", entry.value("name", std::string("unnamed method"))), &entry});
  }
  return methods;
}

std::vector<Measured> ranked(const std::vector<Method>& methods, const std::string& pointer) {
  std::vector<Measured> list;
  for (const Method& method : methods) {
    if (const Json* found = method.find(pointer))
      list.push_back({method.title, metrics::interval_from_json(*found, method.title + pointer)});
  }
  std::stable_sort(list.begin(), list.end(), [](const Measured& a, const Measured& b) {
    return a.interval.value < b.interval.value;
  });
  return list;
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", 100 * share);
}

std::string in_percent(const metrics::Interval& interval) {
  return fmt::format("{} ({:.1f} to {:.1f})", percent(interval.value), 100 * interval.low,
                     100 * interval.high);
}

std::string in_words(const metrics::Interval& interval) {
  return fmt::format("{:.3g} ({:.3g} to {:.3g})", interval.value, interval.low, interval.high);
}

std::string ranking_in_words(const std::vector<Measured>& ranked) {
  const Measured& first = ranked.front();
  std::string alike;
  std::string behind;
  for (size_t i = 1; i < ranked.size(); ++i) {
    std::string& list = are_apart(first.interval, ranked[i].interval) ? behind : alike;
    list += fmt::format("{}{} {}", list.empty() ? "" : ", ", ranked[i].title,
                        in_words(ranked[i].interval));
  }
  std::string text = fmt::format("{} {}.", first.title, in_words(first.interval));
  if (!alike.empty()) text += fmt::format(" Not distinguishable from it: {}.", alike);
  if (!behind.empty()) text += fmt::format(" Behind: {}.", behind);
  return text;
}

std::vector<Finding> find_all(const nlohmann::ordered_json& results) {
  Findings findings;
  for (const auto rule : {judge_shares, judge_copies, judge_coverage, judge_classifier,
                          judge_sample_size, rank_by_target, rank_by_frechet}) {
    rule(results, findings);
  }
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  return findings;
}

nlohmann::ordered_json to_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const Finding& finding : findings) {
    json.push_back({{"severity", name_of(finding.severity)},
                    {"subject", finding.subject},
                    {"text", finding.text},
                    {"limits", finding.limits}});
  }
  return json;
}

}  // namespace equipoise::audit
