#include "audit/group_frame.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::ordered_json;

double value(const Json& frame, const std::string& key) {
  return frame.at(key).at("value").get<double>();
}

/// Rates of `rates.size()` groups of `size` images each, counted exactly.
std::pair<at::Tensor, at::Tensor> rated_images(const std::vector<double>& rates, int64_t size) {
  at::Tensor values = at::zeros({static_cast<int64_t>(rates.size()), size}, at::kDouble);
  for (size_t g = 0; g < rates.size(); ++g)
    values[static_cast<int64_t>(g)]
        .slice(0, 0, static_cast<int64_t>(rates[g] * static_cast<double>(size)))
        .fill_(1);
  const at::Tensor groups =
      at::arange(static_cast<int64_t>(rates.size()), at::kLong).repeat_interleave(size);
  return {values.flatten(), groups};
}

/// Images of group i % num_groups, each 1 with probability `rates` of its group.
std::pair<at::Tensor, at::Tensor> drawn_images(const std::vector<double>& rates, int64_t num_images,
                                               uint64_t trial) {
  RandomStream stream(trial, Purpose::kToyData);
  at::Tensor values = at::empty({num_images}, at::kDouble);
  const auto num_groups = static_cast<int64_t>(rates.size());
  for (int64_t i = 0; i < num_images; ++i)
    values.data_ptr<double>()[i] =
        stream.uniform() < rates[static_cast<size_t>(i % num_groups)] ? 1 : 0;
  return {values, at::arange(num_images, at::kLong).remainder(num_groups)};
}

TEST(GroupFrame, ReadsWhatFairlearnReads) {
  const GroupNumbers numbers{.overall = 0.5, .by_group = {0.2, 0.8, 0.4}};
  const Json frame =
      group_frame({.names = {"a", "b", "c"}, .counts = {10, 20, 30}, .left_out = {"d"}}, numbers);
  EXPECT_EQ(value(frame, "overall"), 0.5);
  EXPECT_EQ(frame.at("by_group").at("b"), (Json{{"value", 0.8}}));
  EXPECT_EQ(frame.at("count"), (Json{{"a", 10}, {"b", 20}, {"c", 30}}));
  EXPECT_NEAR(value(frame, "difference"), 0.6, 1e-15);
  EXPECT_NEAR(value(frame, "difference_to_overall"), 0.3, 1e-15);
  EXPECT_NEAR(value(frame, "ratio"), 0.25, 1e-15);
  EXPECT_NEAR(value(frame, "ratio_to_overall"), 0.4, 1e-15);  // 0.2 / 0.5 below 0.5 / 0.8
  EXPECT_EQ(value(frame, "group_min"), 0.2);
  EXPECT_EQ(value(frame, "group_max"), 0.8);
  EXPECT_EQ(frame.at("left_out"), (Json{"d"}));
}

TEST(GroupFrame, StatesNoRatioOfNegativeNumbersOrZeros) {
  const FrameGroups groups{.names = {"a", "b"}, .counts = {1, 1}, .left_out = {}};
  EXPECT_TRUE(group_frame(groups, {.overall = 0, .by_group = {-1, 1}}).at("ratio").is_null());
  EXPECT_TRUE(group_frame(groups, {.overall = 0, .by_group = {0, 0}}).at("ratio").is_null());
  EXPECT_EQ(value(group_frame(groups, {.overall = 1, .by_group = {0, 2}}), "ratio"), 0);
  EXPECT_EQ(value(group_frame(groups, {.overall = 1, .by_group = {0, 2}}), "ratio_to_overall"), 0);
}

TEST(GroupFrame, RefusesListsOfDifferentLength) {
  EXPECT_THROW(group_frame({.names = {"a"}, .counts = {1}, .left_out = {}}, {0, {1, 2}}),
               UsageError);
  EXPECT_THROW(group_frame({}, {}), UsageError);
}

TEST(MeanFrame, CountsRatesOfGroupsAndLeavesSmallOnesOut) {
  auto [values, groups] = rated_images({0.5, 0.75, 0.25}, 40);
  values = at::cat({values, at::ones({2}, at::kDouble)});
  groups = at::cat({groups, at::full({2}, 3, at::kLong)});
  const Json frame = mean_frame(values, groups, {"a", "b", "c", "rare"}, {.min_count = 3});
  EXPECT_NEAR(value(frame, "overall"), 62.0 / 122, 1e-15);
  EXPECT_NEAR(frame.at("by_group").at("b").at("value").get<double>(), 0.75, 1e-15);
  EXPECT_FALSE(frame.at("by_group").contains("rare"));
  EXPECT_EQ(frame.at("left_out"), (Json{"rare"}));
  EXPECT_NEAR(value(frame, "difference"), 0.5, 1e-15);
  EXPECT_LT(frame.at("difference").at("low").get<double>(), 0.5);
  EXPECT_GT(frame.at("difference").at("high").get<double>(), 0.5);
  EXPECT_GT(value(frame, "difference"), frame.at("difference").at("floor_high").get<double>());
}

TEST(MeanFrame, StatesRatesWithWilsonIntervals) {
  const auto [values, groups] = rated_images({1, 0.5}, 20);
  const auto interval_of = [](const Json& number) {
    return std::pair{number.at("low").get<double>(), number.at("high").get<double>()};
  };
  const Json frame = mean_frame(values, groups, {"a", "b"});
  const metrics::Interval wilson = metrics::wilson_interval(20, 20);
  EXPECT_EQ(interval_of(frame.at("by_group").at("a")), std::pair(wilson.low, wilson.high));
  EXPECT_EQ(frame.at("overall").at("method"), "wilson");
  EXPECT_EQ(mean_frame(values * 2, groups, {"a", "b"}).at("overall").at("method"),
            "percentile bootstrap");
}

TEST(MeanFrame, RefusesGroupsThatAreAllTooSmall) {
  const auto [values, groups] = rated_images({0.5, 0.5}, 4);
  EXPECT_THROW(mean_frame(values, groups, {"a", "b"}, {.min_count = 5}), UsageError);
  EXPECT_THROW(mean_frame(values, groups, {"a"}), UsageError);
}

// Fixed seeds. Over seeds, 200 trials at a chance of 0.05 exceed 20 in about 1 of 1,000 cases, and
// stay below 2 in about 1 of 2,500.
TEST(MeanFrame, EqualGroupsExceedTheFloorAtItsRate) {
  int exceeding = 0;
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const auto [values, groups] = drawn_images({0.3, 0.3, 0.3}, 240, trial);
    const Json difference = mean_frame(values, groups, {"a", "b", "c"},
                                       {.bootstrap = {.num_replicates = 200, .seed = 1}})
                                .at("difference");
    exceeding += difference.at("value").get<double>() > difference.at("floor_high").get<double>();
  }
  EXPECT_LE(exceeding, 20);
  EXPECT_GE(exceeding, 2);
}

// Fixed seeds. Over seeds, 200 trials at a true coverage of 0.94 fall below 0.87 in about 1 of
// 4,000 cases.
TEST(MeanFrame, CoversTrueDifferencesAndRatios) {
  int covering_difference = 0, covering_ratio = 0;
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const auto [values, groups] = drawn_images({0.2, 0.5, 0.8}, 450, trial);
    const Json frame = mean_frame(values, groups, {"a", "b", "c"},
                                  {.bootstrap = {.num_replicates = 200, .seed = 1}});
    const auto covers = [&](const char* key, double truth) {
      return contains(metrics::interval_from_json(frame.at(key), key), truth);
    };
    covering_difference += covers("difference", 0.6);
    covering_ratio += covers("ratio", 0.25);
  }
  EXPECT_GE(covering_difference, 174);
  EXPECT_GE(covering_ratio, 174);
}

TEST(RepresentationFrame, IsShareOverTarget) {
  const Json frame =
      representation_frame({20, 60, 20}, std::nullopt, {0.4, 0.6, 0}, {"a", "b", "none"});
  EXPECT_EQ(value(frame, "overall"), 1);
  EXPECT_NEAR(frame.at("by_group").at("a").at("value").get<double>(), 0.5, 1e-12);
  EXPECT_NEAR(frame.at("by_group").at("b").at("value").get<double>(), 1, 1e-12);
  EXPECT_EQ(frame.at("left_out"), (Json{"none"}));
  EXPECT_NEAR(value(frame, "ratio"), 0.5, 1e-12);
}

TEST(RepresentationFrame, TakesOutTheClassifiersErrors) {
  // True shares (0.9, 0.1) seen through a classifier that errs on 1 in 5.
  const metrics::ConfusionMatrix confusion = {{8000, 2000}, {2000, 8000}};
  const Json frame =
      representation_frame({7400, 2600}, confusion, {0.5, 0.5}, {"a", "b"}, {.num_replicates = 50});
  EXPECT_NEAR(frame.at("by_group").at("b").at("value").get<double>(), 0.2, 1e-5);
  EXPECT_NEAR(value(frame, "ratio"), 0.1 / 0.9, 1e-5);
}

TEST(RepresentationFrame, RefusesGroupsThatDisagree) {
  EXPECT_THROW(representation_frame({1, 2}, std::nullopt, {1}, {"a", "b"}), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
