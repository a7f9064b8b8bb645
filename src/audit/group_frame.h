// Any number that every group has, held against each other: what fairlearn calls a MetricFrame.
//
//   overall              over all images, those of groups left out included
//   by_group, count      the number and the images of each group
//   group_min, group_max the least and the largest of by_group
//   difference           group_max - group_min
//   difference_to_overall  the largest |number - overall|
//   ratio                group_min / group_max
//   ratio_to_overall     the least of number / overall and overall / number
//
// Ratios are stated only of numbers that are not negative and not all 0. A difference is positive
// by chance alone; where `floor` is stated it says by how much.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "metrics/intervals.h"
#include "metrics/shares.h"

namespace equipoise::audit {

struct GroupNumbers {
  double overall = 0;
  std::vector<double> by_group;
};

double difference_between_groups(const GroupNumbers& numbers);
double difference_to_overall(const GroupNumbers& numbers);
/// Nothing where the ratio is not stated.
std::optional<double> ratio_between_groups(const GroupNumbers& numbers);
std::optional<double> ratio_to_overall(const GroupNumbers& numbers);

/// The groups of a frame, with their images.
struct FrameGroups {
  std::vector<std::string> names;
  metrics::Counts counts;
  std::vector<std::string> left_out;  ///< groups of too few images
};

/// What resampling says of a frame's numbers.
struct FrameReplicates {
  std::vector<GroupNumbers> of_samples;
  std::vector<GroupNumbers> under_equality;  ///< with no group unlike the others; may be empty
  double level = 0.95;
};

/// {"overall", "by_group": {group: …}, "count": {group: …}, "difference", "difference_to_overall",
/// "ratio", "ratio_to_overall", "group_min", "group_max", "left_out"}. Numbers are {"value"}, with
/// replicates intervals: percentiles for `overall` and `by_group`, centred for the others, which
/// resampling spreads. `difference` then has {"floor", "floor_high"}, the mean and the
/// `level` quantile under equality: equal groups exceed floor_high at a rate of 1 - level.
/// Throws: UsageError for no groups, or lists of different length.
nlohmann::ordered_json group_frame(const FrameGroups& groups, const GroupNumbers& numbers,
                                   const FrameReplicates& replicates = {});

struct MeanFrameOptions {
  metrics::BootstrapOptions bootstrap = {};
  int64_t min_count = 1;  ///< groups of fewer images are left out
};
/// The frame of a number that every image has, such as "was it classified rightly": means, with
/// Wilson intervals for `overall` and `by_group` where every number is 0 or 1.
/// Resampling: within each group, so that groups keep their size; equality: group labels permuted,
/// which makes the rate of false alarms exact.
/// Shapes: values [N] float64; groups [N] int64. Random: bootstrap streams of `options` and part + 1.
/// Throws: UsageError on shapes, for labels without a name, or when no group is large enough.
nlohmann::ordered_json mean_frame(const at::Tensor& values, const at::Tensor& groups,
                                  const std::vector<std::string>& names,
                                  const MeanFrameOptions& options = {});

/// The frame of share / target: 1 is what is wanted, 0.5 half of it. Shares are corrected for the
/// classifier's errors where `confusion` is there. Groups of target 0 are left out.
/// Throws: UsageError when sizes disagree.
nlohmann::ordered_json representation_frame(
    const metrics::Counts& counts, const std::optional<metrics::ConfusionMatrix>& confusion,
    const std::vector<double>& target, const std::vector<std::string>& names,
    const metrics::BootstrapOptions& options = {});

}  // namespace equipoise::audit
