#include "audit/paired_difference.h"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>

#include "core/check.h"
#include "core/error.h"
#include "metrics/shares.h"
#include "metrics/total_variation.h"

namespace equipoise::audit {
namespace {

at::Tensor draw_rows(int64_t num_images, RandomStream& stream) {
  at::Tensor rows = at::empty({num_images}, at::kLong);
  int64_t* row = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < num_images; ++i)
    row[i] = static_cast<int64_t>(stream.below(static_cast<uint64_t>(num_images)));
  return rows;
}

/// Twice the smaller share of `centred` on either side of 0, the value itself counted in.
double two_sided_p_value(const std::vector<double>& centred) {
  const auto below = std::ranges::count_if(centred, [](double d) { return d <= 0; });
  const auto above = std::ranges::count_if(centred, [](double d) { return d >= 0; });
  const double share =
      static_cast<double>(std::min(below, above) + 1) / static_cast<double>(centred.size() + 1);
  return std::min(1.0, 2 * share);
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

}  // namespace

PairedDifference paired_difference(int64_t num_images, const StatisticOfRows& first,
                                   const StatisticOfRows& second,
                                   const metrics::BootstrapOptions& options) {
  if (num_images < 2)
    throw UsageError({.where = "paired difference",
                      .what = "a comparison takes two pairs of images at least",
                      .got = std::to_string(num_images)});
  const at::Tensor all = at::arange(num_images, at::kLong);
  const double value = first(all) - second(all);
  std::vector<double> replicates = metrics::bootstrap_replicates(
      [&](RandomStream& stream) {
        const at::Tensor rows = draw_rows(num_images, stream);
        return first(rows) - second(rows);
      },
      options);
  PairedDifference result{.interval = metrics::centred_interval(value, replicates, options.level)};
  result.interval.method = "centred bootstrap of pairs";
  const double shift = value - mean_of(replicates);
  for (double& replicate : replicates) replicate += shift;
  result.p_value = two_sided_p_value(replicates);
  result.is_distinguishable = !contains(result.interval, 0);
  return result;
}

PairedDifference paired_total_variation(const at::Tensor& first_groups,
                                        const at::Tensor& second_groups,
                                        const std::vector<double>& target,
                                        const metrics::BootstrapOptions& options) {
  check_shape(second_groups, {first_groups.numel()}, "groups of the second model");
  const auto distance = [&](const at::Tensor& groups) {
    return [&target, groups](const at::Tensor& rows) {
      const metrics::Counts counts =
          metrics::count_groups(groups.index_select(0, rows), static_cast<int64_t>(target.size()));
      return metrics::total_variation_distance(metrics::to_shares(counts), target);
    };
  };
  return paired_difference(first_groups.numel(), distance(first_groups), distance(second_groups),
                           options);
}

PairedDifference paired_frechet(const at::Tensor& first_features, const at::Tensor& second_features,
                                const metrics::FrechetReference& reference,
                                const metrics::BootstrapOptions& options) {
  check_shape(first_features, {kAny, kAny}, "features of the first model");
  check_shape(second_features, {first_features.size(0), first_features.size(1)},
              "features of the second model");
  const auto distance = [&](const at::Tensor& features) {
    return [&reference, features = features.to(at::kDouble)](const at::Tensor& rows) {
      return reference.distance_to(metrics::moments_of(features.index_select(0, rows))).value;
    };
  };
  return paired_difference(first_features.size(0), distance(first_features),
                           distance(second_features), options);
}

nlohmann::ordered_json to_json(const PairedDifference& difference) {
  nlohmann::ordered_json json = metrics::to_json(difference.interval);
  json["p_value"] = difference.p_value;
  json["is_distinguishable"] = difference.is_distinguishable;
  json["false_alarm_rate"] = 1 - difference.interval.level;
  return json;
}

}  // namespace equipoise::audit
