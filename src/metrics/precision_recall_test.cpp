#include "metrics/precision_recall.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(PrecisionRecall, AreOneForIdenticalSetsAndZeroFarAway) {
  const at::Tensor set = normal_rows(200, 3, 1);
  const PrecisionRecall same = measure_precision_recall(set, set);
  EXPECT_EQ(same.precision.value, 1);
  EXPECT_EQ(same.recall.value, 1);
  const PrecisionRecall far = measure_precision_recall(set + 1000, set);
  EXPECT_EQ(far.precision.value, 0);
  EXPECT_EQ(far.recall.value, 0);
}

// tests/golden/metrics_golden.py
TEST(PrecisionRecall, AgreeWithScipy) {
  const PrecisionRecall measured = measure_precision_recall(golden_features(200, 3, 0.0, 1.0),
                                                            golden_features(150, 3, 0.1, 1.05));
  EXPECT_DOUBLE_EQ(measured.precision.value, 0.78);
  EXPECT_DOUBLE_EQ(measured.recall.value, 0.9);
  const PrecisionRecall tight = measure_precision_recall(
      golden_features(200, 3, 0.0, 1.0), golden_features(150, 3, 0.1, 1.05), {.budget_bytes = 1});
  EXPECT_EQ(tight.precision.value, measured.precision.value);
  EXPECT_EQ(tight.recall.value, measured.recall.value);
}

TEST(PrecisionRecall, CountTheEdgeOfABall) {
  // Radii 1, 1, 1 at 0, 1, 2: 3 lies on the edge of 2's ball, 3.1 and -1.1 outside all.
  const at::Tensor references = at::tensor({0.0, 1.0, 2.0}, at::kDouble).unsqueeze(1);
  const at::Tensor samples = at::tensor({3.0, 3.1, -1.1, 0.5}, at::kDouble).unsqueeze(1);
  const PrecisionRecall measured = measure_precision_recall(samples, references, {.k = 1});
  EXPECT_EQ(measured.precision.value, 0.5);
  // Radii 0.1, 0.1, 1.6, 1.6: 0.5's ball holds all three references.
  EXPECT_EQ(measured.recall.value, 1);
}

TEST(PrecisionRecall, TellJunkFromLostModes) {
  const at::Tensor modes = at::cat({normal_rows(150, 3, 1), normal_rows(150, 3, 2) + 50});
  const PrecisionRecall lost = measure_precision_recall(normal_rows(300, 3, 3), modes);
  EXPECT_GT(lost.precision.low, 0.8);
  EXPECT_LT(lost.recall.high, 0.6);
  const at::Tensor half_junk = at::cat(
      {normal_rows(100, 3, 4), normal_rows(100, 3, 5) + 50, normal_rows(100, 3, 6) * 100 - 500});
  const PrecisionRecall junk = measure_precision_recall(half_junk, modes);
  EXPECT_LT(junk.precision.high, 0.75);
  EXPECT_GT(junk.recall.low, 0.8);
}

TEST(PrecisionRecall, SwapWithTheSets) {
  const at::Tensor a = golden_features(60, 3, 0.0, 1.0);
  const at::Tensor b = golden_features(50, 3, 0.1, 1.05);
  EXPECT_EQ(measure_precision_recall(a, b).precision.value,
            measure_precision_recall(b, a).recall.value);
}

TEST(PrecisionRecall, RefuseASetTooSmallForItsRadius) {
  EXPECT_THROW(measure_precision_recall(normal_rows(10, 3, 1), normal_rows(3, 3, 2)), UsageError);
  EXPECT_THROW(measure_precision_recall(normal_rows(3, 3, 1), normal_rows(10, 3, 2)), UsageError);
}

TEST(PrecisionRecallMetric, SaysWhenItsSetsDifferInSizeOrAreTooSmall) {
  const auto metric =
      MetricRegistry::instance().find("precision_recall").make.make(nlohmann::json::object());
  MetricInput input;
  input.sample_features = normal_rows(20, 3, 1);
  input.reference_features = normal_rows(30, 3, 2);
  EXPECT_NE(metric->measure(input).at("warnings").at(0).get<std::string>().find("raises recall"),
            std::string::npos);
  input.reference_features = normal_rows(20, 3, 2);
  EXPECT_TRUE(metric->measure(input).at("warnings").empty());
  input.reference_features = normal_rows(3, 3, 2);
  EXPECT_EQ(metric->missing(input), "reference_features of 4 rows at least");
}

}  // namespace
}  // namespace equipoise::metrics
