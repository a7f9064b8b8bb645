// Do the samples copy, leave out parts of the reference, or rest on too few images to say?
#include <algorithm>

#include <fmt/format.h>

#include "audit/rules.h"

namespace equipoise::audit {
namespace {

/// Share of held-out images that lie below their own 5th percentile, by definition.
constexpr double kHeldoutShare = 0.05;
/// Copying is called when at least this share of samples lies that close.
constexpr double kCopyingShare = 0.15;
/// Coverage is called low below this part of what samples of the reference's own law would reach.
constexpr double kLowCoveragePart = 0.5;
/// A Fréchet distance below this many floors is mostly floor.
constexpr double kFloorsToTrust = 2;

void judge_copying(const Method& method, Findings& findings) {
  const Json* found = method.find("/nearest_reference/share_interval");
  if (!found) return;
  const metrics::Interval share =
      metrics::interval_from_json(*found, method.title + " nearest_reference");
  if (share.low <= kHeldoutShare) return;
  const Json& nearest = *method.find("/nearest_reference");
  const bool copies = share.low > kCopyingShare;
  findings.push_back(
      {copies ? Severity::kHigh : Severity::kMedium, method.title,
       fmt::format("{}'s samples lie closer to training images than held-out images do{}: {} of "
                   "them are closer than the "
                   "nearest 5 % of held-out images (median distance {:.3g} against {:.3g}; exact "
                   "copies: {}).",
                   method.title, copies ? ", a sign of copying" : "", in_percent(share),
                   nearest.value("median", 0.0), nearest.value("heldout_median", 0.0),
                   percent(nearest.value("share_exact", 0.0))),
       "Blurred or simple samples lie close to many images without copying one: look at the "
       "nearest pairs."});
}

void judge_method_coverage(const Method& method, Findings& findings) {
  const Json* found = method.find("/coverage");
  if (!found || !found->contains("expected") || !found->contains("low")) return;
  const metrics::Interval coverage =
      metrics::interval_from_json(*found, method.title + " coverage");
  const double expected = found->at("expected").get<double>();
  if (coverage.high >= kLowCoveragePart * expected) return;
  findings.push_back(
      {Severity::kMedium, method.title,
       fmt::format(
           "{} reaches only {} of the reference images, where as many real images would reach {}.",
           method.title, in_percent(coverage), percent(expected)),
       "Low coverage is either lost variety or samples that look unlike real images everywhere."});
}

bool is_mostly_floor(const Method& method) {
  const Json* value = method.find("/frechet/value");
  const Json* floor = method.find("/frechet/floor/value");
  return value && floor && value->get<double>() < kFloorsToTrust * floor->get<double>();
}

}  // namespace

void judge_copies(const Json& results, Findings& findings) {
  for (const Method& method : methods_of(results)) judge_copying(method, findings);
}

void judge_coverage(const Json& results, Findings& findings) {
  for (const Method& method : methods_of(results)) judge_method_coverage(method, findings);
}

void judge_sample_size(const Json& results, Findings& findings) {
  std::vector<std::string> warnings;  // most are shared by all methods: say each once
  for (const Method& method : methods_of(results)) {
    if (const Json* found = method.find("/frechet/warnings")) {
      for (const Json& warning : *found) {
        if (std::find(warnings.begin(), warnings.end(), warning) == warnings.end())
          warnings.push_back(warning);
      }
    }
    if (is_mostly_floor(method)) {
      findings.push_back(
          {Severity::kInfo, method.title,
           fmt::format(
               "{}'s Fréchet distance of {:.3g} is within {} times the floor of {:.3g} that real "
               "images score at this number: differences there mean little.",
               method.title, method.find("/frechet/value")->get<double>(), kFloorsToTrust,
               method.find("/frechet/floor/value")->get<double>()),
           ""});
    }
  }
  for (const std::string& warning : warnings) {
    findings.push_back({Severity::kMedium, "Fréchet distance", warning + ".",
                        "Compare methods only at the same number of samples, and with the floor "
                        "beside the value."});
  }
}

void rank_by_frechet(const Json& results, Findings& findings) {
  const std::vector<Measured> list = ranked(methods_of(results), "/frechet");
  if (list.size() < 2) return;
  findings.push_back({Severity::kInfo, list.front().title,
                      "Closest to the reference by Fréchet distance: " + ranking_in_words(list),
                      "The distance is of this run's own classifier features; it is no FID and "
                      "compares with no other run's "
                      "unless the recipe agrees."});
}

}  // namespace equipoise::audit
