#include "audit/measure.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/frechet.h"

namespace equipoise::audit {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Json = nlohmann::ordered_json;

at::Tensor codes(const std::vector<int64_t>& counts) {
  const auto num_groups = static_cast<int64_t>(counts.size());
  return at::arange(num_groups, at::kLong).repeat_interleave(at::tensor(counts, at::kLong));
}

/// Samples of group 0 are right, of group 1 shifted by 1 in each feature, of group 2 too few.
struct MeasureByGroup : testing::Test {
  metrics::MetricInput input;
  GroupedImages groups{.names = {"good", "shifted", "rare"},
                       .sample_groups = codes({100, 80, 3}),
                       .reference_groups = codes({90, 120, 60})};
  const MeasureOptions options{.metrics = {"frechet", "coverage", "total_variation"},
                               .metric_options = {{"frechet", {{"bootstrap", 20}}}}};

  MeasureByGroup() {
    input.sample_features =
        metrics::normal_rows(183, 4, 1) + groups.sample_groups.eq(1).to(at::kFloat).unsqueeze(1);
    input.reference_features = metrics::normal_rows(270, 4, 2);
  }
  Json measure_all() const {
    return measure_by_group(input, groups, measure(input, options), options);
  }
};

TEST_F(MeasureByGroup, HoldsSamplesOfAGroupAgainstReferencesOfTheGroup) {
  const Json groups_json = measure_all().at("by_group").at("groups");
  ASSERT_EQ(groups_json.size(), 2u);
  const Json& shifted = groups_json[1];
  EXPECT_EQ(shifted.at("group"), "shifted");
  EXPECT_EQ(shifted.at("num_samples"), 80);
  EXPECT_EQ(shifted.at("num_reference"), 120);
  const double expected =
      metrics::frechet_distance(metrics::moments_of(input.sample_features.slice(0, 100, 180)),
                                metrics::moments_of(input.reference_features.slice(0, 90, 210)))
          .value;
  EXPECT_NEAR(shifted.at("frechet").at("value").get<double>(), expected, 1e-9);
  EXPECT_GT(expected, 3);
  EXPECT_LT(groups_json[0].at("frechet").at("value").get<double>(), 0.5);
}

TEST_F(MeasureByGroup, NamesGroupsOfTooFewImages) {
  const Json by_group = measure_all().at("by_group");
  EXPECT_EQ(by_group.at("min_images"), 50);
  EXPECT_EQ(by_group.at("left_out"),
            (Json::array({{{"group", "rare"}, {"num_samples", 3}, {"num_reference", 60}}})));
  groups.min_images = 95;
  EXPECT_EQ(measure_all().at("by_group").at("left_out").size(), 3u);
}

TEST_F(MeasureByGroup, FramesEveryMetricOfAllGroups) {
  const Json frames = measure_all().at("group_frames");
  EXPECT_EQ(frames.size(), 2u);  // total variation is no number of one group's images
  const Json& frame = frames.at("frechet");
  EXPECT_NEAR(frame.at("overall").at("value").get<double>(),
              measure(input, options).at("frechet").at("value").get<double>(), 1e-12);
  EXPECT_NEAR(frame.at("difference").at("value").get<double>(),
              frame.at("by_group").at("shifted").at("value").get<double>() -
                  frame.at("by_group").at("good").at("value").get<double>(),
              1e-12);
  EXPECT_EQ(frame.at("count"), (Json{{"good", 100}, {"shifted", 80}}));
  EXPECT_EQ(frame.at("left_out"), (Json{"rare"}));
}

TEST_F(MeasureByGroup, RefusesCodesThatAreNotOneAnImage) {
  groups.sample_groups = codes({10});
  EXPECT_THROW(measure_all(), UsageError);
}

TEST_F(MeasureByGroup, MeasuresTheChosenMetricsAlone) {
  const Json measured = measure(input, options);
  EXPECT_TRUE(measured.contains("frechet") && measured.contains("coverage"));
  EXPECT_FALSE(measured.contains("kid"));
  EXPECT_EQ(measured.at("skipped").size(), 1u);
  EXPECT_EQ(measured.at("skipped")[0].at("metric"), "total_variation");
}

TEST_F(MeasureByGroup, DoesNotDependOnHowManyMetricsAreComputedAtOnce) {
  EXPECT_EQ(measure(input, {.num_workers = 3}).dump(), measure(input).dump());
}

TEST(Measure, OffersTheNearestMetricAndOption) {
  EXPECT_THAT([] { measure({}, {.metrics = {"freche"}}); },
              ThrowsMessage<UsageError>(HasSubstr("Did you mean 'frechet'?")));
  EXPECT_THAT(
      [] {
        measure({}, {.metric_options = {{"coverage", {{"kk", 2}}}}});
      },
      ThrowsMessage<UsageError>(HasSubstr("kk")));
}

}  // namespace
}  // namespace equipoise::audit
