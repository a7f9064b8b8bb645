// Are the groups present in their stated shares, and can the classifier that counted them be
// trusted with that?
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "audit/rules.h"
#include "metrics/shares.h"

namespace equipoise::audit {
namespace {

constexpr double kAccuracyToTrust = 0.95;
constexpr double kAccuracyToReport = 0.80;
constexpr double kRecallToReport = 0.70;
/// A group whose whole interval lies below this part of its target counts as lost.
constexpr double kLostPart = 0.5;
constexpr size_t kGroupsNamed = 3;

/// A group's share in one method's samples, corrected where a correction was made.
struct JudgedShare {
  std::string group;
  metrics::Interval share;
  double target = 0;
  std::optional<double> biased_share;  ///< in the biased training set
};

std::optional<std::vector<double>> biased_shares(const Json& results) {
  for (const Json& set : results.value(Json::json_pointer("/data/sets"), Json::array())) {
    if (set.value("name", "") != "biased" || !set.contains("counts")) continue;
    const auto counts = set.at("counts").get<metrics::Counts>();
    if (metrics::total(counts) > 0) return metrics::to_shares(counts);
  }
  return std::nullopt;
}

std::vector<JudgedShare> judged_shares(const Json& results, const Method& method) {
  const auto target = results.value(Json::json_pointer("/data/target"), std::vector<double>());
  const auto biased = biased_shares(results);
  std::vector<JudgedShare> judged;
  const Json* shares = method.find("/shares");
  if (!shares || shares->size() != target.size()) return judged;
  for (size_t g = 0; g < target.size(); ++g) {
    const Json& share = shares->at(g);
    judged.push_back({.group = share.value("group", fmt::format("group {}", g)),
                      .share = metrics::interval_from_json(
                          share.contains("corrected") ? share.at("corrected") : share.at("raw"),
                          method.title + " shares"),
                      .target = target[g],
                      .biased_share = {}});
    if (biased && biased->size() == target.size()) judged.back().biased_share = biased->at(g);
  }
  return judged;
}

bool is_off(const JudgedShare& judged) {
  return !contains(judged.share, judged.target);
}
bool is_lost(const JudgedShare& judged) {
  return judged.share.high < kLostPart * judged.target;
}
/// Off the target on the side to which the training set was off.
bool follows_bias(const JudgedShare& judged) {
  return judged.biased_share && is_off(judged) &&
         (judged.share.value - judged.target) * (*judged.biased_share - judged.target) > 0;
}

/// How far off, in units of the target: rare groups first.
double relative_gap(const JudgedShare& judged) {
  return judged.target > 0 ? (judged.target - judged.share.value) / judged.target
                           : -judged.share.value;
}

std::string name_groups(std::vector<JudgedShare> groups) {
  std::stable_sort(groups.begin(), groups.end(), [](const JudgedShare& a, const JudgedShare& b) {
    return relative_gap(a) > relative_gap(b);
  });
  std::string text;
  for (size_t i = 0; i < std::min(groups.size(), kGroupsNamed); ++i) {
    text += fmt::format("{}\"{}\" at {}, wanted {}", i == 0 ? "" : "; ", groups[i].group,
                        in_percent(groups[i].share), percent(groups[i].target));
  }
  if (groups.size() > kGroupsNamed)
    text += fmt::format("; and {} more", groups.size() - kGroupsNamed);
  return text;
}

/// True when total variation says that the shares as a whole are not distinguishable from the
/// target.
bool is_at_target(const Method& method) {
  const Json* measured = method.find("/total_variation/corrected");
  if (!measured) measured = method.find("/total_variation/raw");
  return measured && measured->contains("floor_high") &&
         measured->value("value", 1.0) <= measured->value("floor_high", 0.0);
}

const char* const kShareLimits =
    "Shares are what a classifier sees; errors it makes on samples but not on real test images are "
    "not corrected. With many "
    "groups, about one 95 % interval in 20 misses by chance.";

void judge_method(const Json& results, const Method& method, Findings& findings) {
  const std::vector<JudgedShare> judged = judged_shares(results, method);
  if (judged.empty()) return;
  if (is_at_target(method)) {
    findings.push_back(
        {Severity::kInfo, method.title,
         fmt::format(
             "{}'s group shares are not distinguishable from the target at this number of samples.",
             method.title),
         kShareLimits});
    return;
  }
  std::vector<JudgedShare> off;
  std::copy_if(judged.begin(), judged.end(), std::back_inserter(off), is_off);
  if (off.empty()) return;
  const bool follows =
      2 * std::count_if(off.begin(), off.end(), follows_bias) > static_cast<int64_t>(off.size());
  const bool loses = std::any_of(off.begin(), off.end(), is_lost);
  findings.push_back(
      {loses ? Severity::kHigh : Severity::kMedium, method.title,
       fmt::format("{} {}: {}.", method.title,
                   follows ? "still follows the bias" : "misses the target", name_groups(off)),
       kShareLimits});
}

void judge_recall(const metrics::ConfusionMatrix& confusion, const Json& names,
                  Findings& findings) {
  for (size_t g = 0; g < confusion.size(); ++g) {
    if (metrics::total(confusion[g]) == 0) continue;
    const metrics::Interval recall =
        metrics::wilson_interval(confusion[g].at(g), metrics::total(confusion[g]));
    if (recall.high >= kRecallToReport) continue;
    const std::string group =
        g < names.size() ? names.at(g).get<std::string>() : fmt::format("group {}", g);
    findings.push_back(
        {Severity::kMedium, "classifier",
         fmt::format(
             "The classifier recognises only {} of {}: read the corrected share of this group, and "
             "with care.",
             in_percent(recall), group),
         "Measured on real test images."});
  }
}

}  // namespace

void judge_shares(const Json& results, Findings& findings) {
  for (const Method& method : methods_of(results)) judge_method(results, method, findings);
}

void judge_classifier(const Json& results, Findings& findings) {
  const auto confusion =
      results.value(Json::json_pointer("/classifier/confusion"), metrics::ConfusionMatrix());
  if (confusion.empty()) return;
  const metrics::Interval accuracy = metrics::accuracy(confusion);
  const Severity severity = accuracy.high < kAccuracyToReport  ? Severity::kHigh
                            : accuracy.high < kAccuracyToTrust ? Severity::kMedium
                                                               : Severity::kInfo;
  findings.push_back(
      {severity, "classifier",
       fmt::format(
           "The classifier that counts groups is right on {} of test images{}.",
           in_percent(accuracy),
           severity == Severity::kInfo ? "" : ": raw shares mislead, read the corrected ones"),
       "The correction assumes that it errs on samples as it errs on real images."});
  judge_recall(confusion, results.value(Json::json_pointer("/data/class_names"), Json::array()),
               findings);
}

void rank_by_target(const Json& results, Findings& findings) {
  const std::vector<Method> methods = methods_of(results);
  std::vector<Measured> list = ranked(methods, "/total_variation/corrected");
  if (list.size() < 2) list = ranked(methods, "/total_variation/raw");
  if (list.size() < 2) return;
  findings.push_back(
      {Severity::kInfo, list.front().title,
       "Closest to the target by total variation: " + ranking_in_words(list),
       "Intervals are of one training run each; another seed moves the methods too."});
}

}  // namespace equipoise::audit
