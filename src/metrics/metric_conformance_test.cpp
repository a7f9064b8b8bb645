// What every metric promises, walked over the registry: a new metric is covered the moment it
// registers.
#include "metrics/metric.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "metrics/feature_fixture.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kNumImages = 240;

/// Samples that equal the reference, follow the target exactly and are classified without error and
/// without doubt; as points they equal the held-out images.
MetricInput ideal_input() {
  MetricInput input;
  input.counts = {60, 60, 120};
  input.group_names = {"left", "right", "both"};
  input.target = {0.25, 0.25, 0.5};
  input.confusion = ConfusionMatrix{{100, 0, 0}, {0, 100, 0}, {0, 0, 100}};
  input.reference_features = normal_rows(kNumImages, 4, 1);
  input.sample_features = input.reference_features;
  input.sample_logits = at::eye(3).mul(50).repeat({kNumImages / 3, 1});
  input.training_points = normal_rows(kNumImages, 4, 2);
  input.heldout_points = normal_rows(kNumImages, 4, 3);
  input.sample_points = input.heldout_points;
  return input;
}

/// Other samples than the reference, so that numbers are away from their ideals.
MetricInput shifted_input() {
  MetricInput input = ideal_input();
  input.counts = {10, 90, 140};
  input.sample_features = normal_rows(kNumImages, 4, 4) * 0.7 + 0.5;
  input.sample_logits = random_normal(6, Purpose::kToyData, at::arange(kNumImages, at::kLong), {3});
  input.sample_points = normal_rows(kNumImages, 4, 5) * 0.8;
  return input;
}

double headline(const MetricPlugin& plugin, const nlohmann::ordered_json& measured) {
  return measured.at(nlohmann::ordered_json::json_pointer(plugin.headline)).get<double>();
}

class MetricConformance : public testing::TestWithParam<std::string> {
 protected:
  const MetricRegistry::Entry& entry() const { return MetricRegistry::instance().find(GetParam()); }
  nlohmann::ordered_json measure(const MetricInput& input) const {
    return entry().make.make(nlohmann::json::object())->measure(input);
  }
};

TEST_P(MetricConformance, SaysWhatItIs) {
  EXPECT_FALSE(entry().info.summary.empty());
  EXPECT_FALSE(entry().info.source.empty());
  EXPECT_FALSE(entry().info.use_when.empty());
}

TEST_P(MetricConformance, NamesWhatItLacks) {
  const auto metric = entry().make.make(nlohmann::json::object());
  EXPECT_FALSE(metric->missing(MetricInput{}).empty());
  EXPECT_EQ(metric->missing(ideal_input()), "");
}

TEST_P(MetricConformance, IsIdealOnIdenticalSets) {
  if (entry().make.headline.empty()) GTEST_SKIP() << "one number a group";
  if (!entry().make.ideal) GTEST_SKIP() << "no fixed value on identical sets";
  EXPECT_NEAR(headline(entry().make, measure(ideal_input())), *entry().make.ideal, 1e-9);
}

TEST_P(MetricConformance, TellsOtherSetsFromIdenticalOnes) {
  if (entry().make.headline.empty()) GTEST_SKIP() << "one number a group";
  const double identical = headline(entry().make, measure(ideal_input()));
  const double rise = headline(entry().make, measure(shifted_input())) - identical;
  switch (entry().make.better) {
    case Better::kLower:
      EXPECT_GT(rise, 1e-3);
      break;
    case Better::kHigher:
      EXPECT_LT(rise, -1e-3);
      break;
    case Better::kNeither:
      EXPECT_GT(std::abs(rise), 1e-3);
      break;
  }
}

TEST_P(MetricConformance, DoesNotDependOnTheOrderOfImages) {
  if (entry().make.headline.empty()) GTEST_SKIP() << "one number a group";
  const MetricInput input = shifted_input();
  MetricInput shuffled = input;
  const at::Tensor order = random_permutation(RandomStream(9, Purpose::kToyData), kNumImages);
  for (at::Tensor* rows :
       {&shuffled.sample_features, &shuffled.reference_features, &shuffled.sample_logits,
        &shuffled.sample_points, &shuffled.training_points, &shuffled.heldout_points}) {
    *rows = rows->index_select(0, order);
  }
  EXPECT_NEAR(headline(entry().make, measure(shuffled)), headline(entry().make, measure(input)),
              1e-9);
}

TEST_P(MetricConformance, RepeatsItselfToTheLastDigit) {
  EXPECT_EQ(measure(shifted_input()).dump(), measure(shifted_input()).dump());
}

TEST_P(MetricConformance, RefusesUnknownOptions) {
  EXPECT_THROW(entry().make.make({{"no_such_option", 1}}), UsageError);
}

INSTANTIATE_TEST_SUITE_P(Registry, MetricConformance,
                         testing::ValuesIn(MetricRegistry::instance().names()),
                         [](const auto& info) { return info.param; });

TEST(MetricRegistry, HoldsTheMetricsOfTheResultsFile) {
  EXPECT_EQ(MetricRegistry::instance().names(),
            (std::vector<std::string>{"avg_knn", "coverage", "frechet", "frechet_extrapolated",
                                      "inception_score", "kid", "lof", "nearest_reference",
                                      "precision_recall", "rarity", "realism", "share_distances",
                                      "shares", "total_variation"}));
}

}  // namespace
}  // namespace equipoise::metrics
