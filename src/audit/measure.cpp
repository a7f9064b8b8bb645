#include "audit/measure.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "audit/group_frame.h"
#include "core/check.h"
#include "core/parallel.h"
#include "metrics/shares.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::ordered_json;
using metrics::MetricInput;
using metrics::MetricRegistry;

std::vector<std::string> chosen_metrics(const MeasureOptions& options) {
  return options.metrics.empty() ? MetricRegistry::instance().names() : options.metrics;
}

at::Tensor rows_of(const at::Tensor& rows, const at::Tensor& members) {
  return rows.defined() ? rows.index_select(0, members) : rows;
}

/// What image metrics read, of one group alone.
MetricInput of_group(const MetricInput& input, const at::Tensor& samples,
                     const at::Tensor& references) {
  MetricInput part;
  part.sample_features = rows_of(input.sample_features, samples);
  part.reference_features = rows_of(input.reference_features, references);
  part.feature_recipe = input.feature_recipe;
  part.features_are_fid_inception = input.features_are_fid_inception;
  part.sample_logits = rows_of(input.sample_logits, samples);
  part.logit_recipe = input.logit_recipe;
  part.logits_are_fid_inception = input.logits_are_fid_inception;
  part.seed = input.seed;
  part.level = input.level;
  return part;
}

std::optional<double> headline_of(const std::string& metric, const Json& measured) {
  const std::string& headline = MetricRegistry::instance().find(metric).make.headline;
  if (headline.empty() || !measured.contains(metric)) return std::nullopt;
  const Json::json_pointer where(headline);
  if (!measured.at(metric).contains(where) || !measured.at(metric).at(where).is_number())
    return std::nullopt;
  return measured.at(metric).at(where).get<double>();
}

/// The frame of one metric over groups measured apart; null when a group lacks it.
Json frame_of(const std::string& metric, const Json& overall, const Json& groups,
              const std::vector<std::string>& left_out) {
  const std::optional<double> whole = headline_of(metric, overall);
  if (!whole || groups.empty()) return nullptr;
  FrameGroups frame_groups{.names = {}, .counts = {}, .left_out = left_out};
  GroupNumbers numbers{.overall = *whole, .by_group = {}};
  for (const Json& group : groups) {
    const std::optional<double> number = headline_of(metric, group);
    if (!number) return nullptr;
    frame_groups.names.push_back(group.at("group").get<std::string>());
    frame_groups.counts.push_back(group.at("num_samples").get<int64_t>());
    numbers.by_group.push_back(*number);
  }
  return group_frame(frame_groups, numbers);
}

}  // namespace

void check_metrics(const MeasureOptions& options) {
  for (const std::string& name : options.metrics) MetricRegistry::instance().find(name);
  for (const auto& [name, values] : options.metric_options.items())
    MetricRegistry::instance().find(name).make.make(values);
}

Json measure(const MetricInput& input, const MeasureOptions& options) {
  check_metrics(options);
  MetricInput shared = input;
  if (!shared.reference_neighbours && shared.reference_features.defined())
    shared.reference_neighbours =
        std::make_shared<metrics::OwnNeighbours>(shared.reference_features);
  const std::vector<std::string> names = chosen_metrics(options);
  std::vector<Json> results(names.size());
  Json skipped = Json::array();
  std::vector<std::function<void()>> tasks;
  for (size_t i = 0; i < names.size(); ++i) {
    std::shared_ptr<const metrics::Metric> metric =
        MetricRegistry::instance().find(names[i]).make.make(
            options.metric_options.value(names[i], nlohmann::json::object()));
    if (const std::string missing = metric->missing(shared); !missing.empty())
      skipped.push_back({{"metric", names[i]}, {"missing", missing}});
    else
      tasks.push_back([&, metric, i] { results[i] = metric->measure(shared); });
  }
  std::atomic<size_t> next = 0;
  run_workers(std::min<int64_t>(options.num_workers, std::max<size_t>(1, tasks.size())),
              [&](int64_t) {
                for (size_t task = next++; task < tasks.size(); task = next++) tasks[task]();
              });
  Json measured;
  for (size_t i = 0; i < names.size(); ++i)
    if (!results[i].is_null()) measured[names[i]] = std::move(results[i]);
  measured["skipped"] = std::move(skipped);
  return measured;
}

Json measure_by_group(const MetricInput& input, const GroupedImages& groups, const Json& overall,
                      const MeasureOptions& options) {
  check_shape(groups.sample_groups, {input.sample_features.size(0)}, "groups of the samples");
  check_shape(groups.reference_groups, {input.reference_features.size(0)},
              "groups of the reference");
  Json measured = Json::array(), left_out = Json::array();
  std::vector<std::string> names_left_out;
  for (size_t g = 0; g < groups.names.size(); ++g) {
    const auto members = [&](const at::Tensor& codes) {
      return codes.eq(static_cast<int64_t>(g)).nonzero().flatten();
    };
    const at::Tensor samples = members(groups.sample_groups),
                     references = members(groups.reference_groups);
    Json group{{"group", groups.names[g]},
               {"num_samples", samples.numel()},
               {"num_reference", references.numel()}};
    if (std::min(samples.numel(), references.numel()) < groups.min_images) {
      left_out.push_back(group);
      names_left_out.push_back(groups.names[g]);
      continue;
    }
    group.update(measure(of_group(input, samples, references), options));
    measured.push_back(std::move(group));
  }
  Json frames = Json::object();
  for (const std::string& metric : chosen_metrics(options))
    if (Json frame = frame_of(metric, overall, measured, names_left_out); !frame.is_null())
      frames[metric] = std::move(frame);
  return {{"by_group",
           {{"min_images", groups.min_images},
            {"left_out", std::move(left_out)},
            {"groups", std::move(measured)}}},
          {"group_frames", std::move(frames)}};
}

}  // namespace equipoise::audit
