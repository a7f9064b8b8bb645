// The chosen metrics on one input, over all images and for each group apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "metrics/metric.h"

namespace equipoise::audit {

struct MeasureOptions {
  std::vector<std::string> metrics = {};  ///< by name; empty = every registered one
  /// Options by metric name, for example {"coverage": {"k": 3}}.
  nlohmann::json metric_options = nlohmann::json::object();
  int64_t num_workers = 1;  ///< metrics computed at once; the numbers do not depend on it
};

/// Throws UsageError for metrics or options of metrics that do not exist; the nearest is offered.
void check_metrics(const MeasureOptions& options);

/// {<metric>: ..., "skipped": [{"metric", "missing"}]}, the keys of docs/formats/results.md. A metric
/// that lacks an input is skipped. Throws: as check_metrics; what the metrics throw.
nlohmann::ordered_json measure(const metrics::MetricInput& input,
                               const MeasureOptions& options = {});

/// Which group every image is in.
struct GroupedImages {
  std::vector<std::string> names;
  at::Tensor sample_groups;     ///< [N] int64
  at::Tensor reference_groups;  ///< [M] int64
  int64_t min_images = 50;      ///< groups with fewer samples or references are left out
};

/// The metrics on features and logits for each group apart: samples of the group against references
/// of the group. Returns
///
///   {"by_group": {"min_images", "left_out": [{"group", "num_samples", "num_reference"}],
///                 "groups": [{"group", "num_samples", "num_reference", <metric>: ..., "skipped"}]},
///    "group_frames": {<metric>: group_frame of its headline}}
///
/// `overall` is measure()'s result on `input`, for the frames. A metric has a frame when every group
/// that is not left out has its headline.
/// Throws: UsageError when codes and rows disagree; as measure.
nlohmann::ordered_json measure_by_group(const metrics::MetricInput& input,
                                        const GroupedImages& groups,
                                        const nlohmann::ordered_json& overall,
                                        const MeasureOptions& options = {});

}  // namespace equipoise::audit
