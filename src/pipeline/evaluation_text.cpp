// The numbers of an evaluation as a person reads them in a terminal.
#include <string>

#include <fmt/format.h>

#include "metrics/metric.h"
#include "pipeline/evaluate.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

std::string with_interval(const Json& json) {
  return fmt::format("{:.4f} ({:.4f} to {:.4f})", json.at("value").get<double>(),
                     json.at("low").get<double>(), json.at("high").get<double>());
}

/// "0.1234 (0.1 to 0.2)", without the interval where there is none.
std::string number_text(const Json& json) {
  const Json& value = json.is_object() ? json.value("value", Json()) : json;
  if (!value.is_number()) return "-";
  std::string text = fmt::format("{:.5g}", value.get<double>());
  if (json.is_object() && json.contains("low"))
    text += fmt::format(" ({:.5g} to {:.5g})", json.at("low").get<double>(),
                        json.at("high").get<double>());
  return text;
}

std::string shares_text(const Json& shares) {
  std::string text =
      fmt::format("{:<24} {:>8}  {:<28} {}\n", "group", "count", "share", "corrected");
  for (const Json& share : shares)
    text += fmt::format("{:<24} {:>8}  {:<28} {}\n", share.at("group").get<std::string>(),
                        share.at("count").get<int64_t>(), with_interval(share.at("raw")),
                        share.contains("corrected") ? with_interval(share["corrected"]) : "-");
  return text;
}

/// A metric's headline with what stands around it; null when it was not measured.
Json headline_of(const std::string& metric, const Json& entry) {
  std::string pointer = metrics::MetricRegistry::instance().find(metric).make.headline;
  if (pointer.empty() || !entry.contains(metric)) return nullptr;
  if (pointer.ends_with("/value")) pointer.resize(pointer.size() - 6);
  return entry.at(metric).value(Json::json_pointer(pointer), Json());
}

std::string other_metrics_text(const Json& evaluation) {
  std::string text;
  for (const std::string& metric : metrics::MetricRegistry::instance().names()) {
    if (metric == "frechet" || metric == "coverage" || metric == "total_variation") continue;
    if (metric == "share_distances" && evaluation.contains(metric)) {
      for (const char* name : {"hellinger", "kl", "chi_square"})
        if (evaluation[metric].contains(name))
          text += fmt::format("{} to the target: {}\n", name,
                              number_text(evaluation[metric][name]["raw"]));
    } else if (const Json headline = headline_of(metric, evaluation); !headline.is_null()) {
      text += fmt::format("{}: {}\n", metric == "precision_recall" ? "precision" : metric,
                          number_text(headline));
      if (metric == "precision_recall")
        text += fmt::format("recall: {}\n", number_text(evaluation[metric]["recall"]));
    }
  }
  return text;
}

std::string groups_text(const Json& by_group) {
  std::string text;
  for (const Json& group : by_group.at("groups")) {
    text +=
        fmt::format("{}: {} samples, {} reference images\n", group.at("group").get<std::string>(),
                    group.at("num_samples").dump(), group.at("num_reference").dump());
    for (const std::string& metric : metrics::MetricRegistry::instance().names())
      if (const Json headline = headline_of(metric, group); !headline.is_null())
        text += fmt::format("  {}: {}\n", metric, number_text(headline));
  }
  return text;
}

std::string frames_text(const Json& frames) {
  std::string text;
  for (const auto& [name, frame] : frames.items())
    text += fmt::format("{} between groups: difference {}, ratio {}\n", name,
                        number_text(frame.at("difference")), number_text(frame.at("ratio")));
  return text;
}

std::string paired_text(const Json& paired) {
  std::string text;
  for (const auto& [name, difference] : paired.items())
    if (name != "against")
      text +=
          fmt::format("{} less that of the other model: {}, {}\n", name, number_text(difference),
                      difference.at("is_distinguishable").get<bool>() ? "distinguishable"
                                                                      : "not distinguishable");
  return text;
}

}  // namespace

std::string evaluation_text(const Json& evaluation, bool every_number) {
  std::string text;
  if (evaluation.contains("shares")) text += shares_text(evaluation["shares"]);
  if (evaluation.contains("total_variation")) {
    const bool is_reference =
        evaluation.value(Json::json_pointer("/groups/target/stated"), "reference") == "reference";
    text += fmt::format("total variation to the {}: {}\n",
                        is_reference ? "reference's shares" : "target",
                        with_interval(evaluation["total_variation"]["raw"]));
  }
  if (evaluation.contains("frechet"))
    text += fmt::format("{}: {:.5g}\n", evaluation["frechet"].at("name").get<std::string>(),
                        evaluation["frechet"].at("value").get<double>());
  if (evaluation.contains("coverage"))
    text += fmt::format("coverage: {:.4f}\n", evaluation["coverage"].at("value").get<double>());
  if (!every_number) return text;
  text += other_metrics_text(evaluation);
  if (evaluation.contains("by_group")) text += groups_text(evaluation["by_group"]);
  if (evaluation.contains("group_frames")) text += frames_text(evaluation["group_frames"]);
  if (evaluation.contains("paired")) text += paired_text(evaluation["paired"]);
  return text;
}

}  // namespace equipoise::pipeline
