#include "pipeline/sample_groups.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/named_options.h"
#include "core/spelling.h"
#include "data/groups.h"

namespace equipoise::pipeline {
namespace {

data::Grouping grouping(const data::ImageSet& set, const std::string& attribute) {
  return data::group_images(set, data::crossed_attributes(attribute, set));
}

UsageError bad_target(const std::string& what, const std::string& got,
                      const std::vector<std::string>& names) {
  return UsageError(
      {.where = "--target",
       .what = what,
       .got = got,
       .expected = fmt::format("a share for each of {}, which sum to 1", fmt::join(names, ", "))});
}

std::vector<double> stated_shares(const std::string& text, const std::vector<std::string>& names) {
  const nlohmann::json stated = parse_options(text, "--target");
  std::vector<double> shares;
  for (const auto& [group, share] : stated.items())
    if (std::ranges::find(names, group) == names.end()) throw unknown_name("group", group, names);
  for (const std::string& name : names) {
    if (!stated.contains(name)) throw bad_target("a group has no share", "none of " + name, names);
    if (!stated.at(name).is_number() || stated.at(name).get<double>() < 0)
      throw bad_target("a share is no positive number", stated.at(name).dump() + " of " + name,
                       names);
    shares.push_back(stated.at(name).get<double>());
  }
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  if (std::abs(sum - 1) > 1e-6)
    throw bad_target("the shares do not sum to 1", fmt::format("{}", sum), names);
  return shares;
}

}  // namespace

SampleGroups labelled_groups(const data::ImageSet& samples, const data::ImageSet& reference,
                             const std::string& attribute) {
  const data::SharedGroups shared =
      data::share_groups(grouping(reference, attribute), grouping(samples, attribute));
  return {.attribute = attribute,
          .source = "the samples' own labels",
          .names = shared.names,
          .sample_codes = shared.second_codes,
          .reference_codes = shared.first_codes,
          .reference_predicted = {}};
}

SampleGroups classified_groups(const data::ImageSet& reference, const std::string& attribute,
                               const std::vector<std::string>& classes) {
  const auto misfit = [&](const std::string& what, const std::string& got) {
    return DataError({.where = reference.source,
                      .what = what,
                      .got = got,
                      .expected = fmt::format("images of each of the {} classes {}", classes.size(),
                                              fmt::join(classes, ", ")),
                      .hint = "Leave --classifier out to compare pixels only"});
  };
  const std::string purpose = "the reference needs the classifier's labels, to measure its errors";
  if (attribute == "class" && !reference.has_labels()) throw misfit(purpose, "no labels");
  const data::Grouping groups = grouping(reference, attribute);
  const data::SharedGroups shared = data::share_groups({{attribute}, classes, {}, {}}, groups);
  if (shared.names.size() > classes.size())
    throw misfit("the classifier never saw some groups of the reference",
                 fmt::format("{}", fmt::join(shared.names.begin() + classes.size(),
                                             shared.names.end(), ", ")));
  if (groups.names.size() < classes.size())
    throw misfit(purpose, fmt::format("{} classes", groups.names.size()));
  return {.attribute = attribute,
          .source = "the classifier",
          .names = shared.names,
          .sample_codes = {},
          .reference_codes = shared.second_codes,
          .reference_predicted = {}};
}

std::optional<metrics::ConfusionMatrix> confusion_of(const SampleGroups& groups) {
  if (!groups.reference_predicted.defined()) return std::nullopt;
  return metrics::confusion_matrix(groups.reference_codes, groups.reference_predicted,
                                   static_cast<int64_t>(groups.names.size()));
}

std::vector<double> target_shares(const std::string& text, const SampleGroups& groups) {
  const auto num_groups = static_cast<int64_t>(groups.names.size());
  if (text == "reference")
    return metrics::to_shares(metrics::count_groups(groups.reference_codes, num_groups));
  if (text == "even")
    return std::vector<double>(groups.names.size(), 1.0 / static_cast<double>(num_groups));
  return stated_shares(text, groups.names);
}

}  // namespace equipoise::pipeline
