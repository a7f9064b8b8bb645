#include "metrics/inception_score.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

/// [num_samples, num_classes]: class i % num_classes, sure to the last digit.
at::Tensor sure_logits(int64_t num_samples, int64_t num_classes) {
  return at::eye(num_classes, at::kDouble).mul(2000).repeat({num_samples / num_classes, 1});
}

TEST(PredictedClassScore, IsTheNumberOfClassesForSureEvenAnswers) {
  EXPECT_NEAR(predicted_class_score(sure_logits(60, 6)), 6, 1e-12);
}

TEST(PredictedClassScore, IsOneWhenAllAnswersAreEqual) {
  EXPECT_NEAR(predicted_class_score(at::zeros({50, 7})), 1, 1e-12);
  EXPECT_NEAR(predicted_class_score(golden_features(1, 7, 0, 3).repeat({50, 1})), 1, 1e-12);
}

TEST(PredictedClassScore, IsTheExponentialOfTheEntropyForSureUnevenAnswers) {
  const at::Tensor logits = sure_logits(2, 2).index_select(0, at::tensor({0, 0, 0, 1}, at::kLong));
  EXPECT_NEAR(predicted_class_score(logits),
              std::exp(-0.75 * std::log(0.75) - 0.25 * std::log(0.25)), 1e-12);
}

// tests/golden/metrics_golden.py
TEST(PredictedClassScore, AgreesWithScipyAndIgnoresTheSizeOfLogits) {
  const at::Tensor logits = golden_features(200, 10, 0.4, 3.0);
  EXPECT_NEAR(predicted_class_score(logits), 2.1711920334318386, 1e-10);
  EXPECT_NEAR(predicted_class_score(logits + 500), 2.1711920334318386, 1e-9);
}

TEST(PredictedClassSplits, EqualTheWholeForOneSplitAndAreLowerForMany) {
  const at::Tensor logits = golden_features(200, 10, 0.4, 3.0);
  const double whole = predicted_class_score(logits);
  EXPECT_NEAR(predicted_class_splits(logits, 1, 0).mean, whole, 1e-12);
  const ScoreSplits ten = predicted_class_splits(logits, 10, 0);
  EXPECT_LT(ten.mean, whole);
  EXPECT_GT(ten.mean, 0.8 * whole);
  EXPECT_GT(ten.standard_deviation, 0);
  EXPECT_NEAR(predicted_class_splits(logits, 200, 0).mean, 1, 1e-12);
}

// 120 fixed seeds at a true coverage near 0.94: fewer than 103 in 1 of 1,000 choices of seeds.
TEST(PredictedClassInterval, CoversTheExpectedScoreAtThisNumberOfSamples) {
  std::vector<Interval> intervals;
  double expected = 0;
  for (uint64_t trial = 0; trial < 120; ++trial) {
    const at::Tensor logits =
        random_normal(trial, Purpose::kToyData, at::arange(150, at::kLong), {4}) * 2;
    intervals.push_back(predicted_class_interval(logits, {.num_replicates = 100, .seed = trial}));
    expected += intervals.back().value / 120;
  }
  int covered = 0;
  for (const Interval& interval : intervals) covered += contains(interval, expected);
  EXPECT_GE(covered, 103);
}

TEST(PredictedClassScore, RefusesWhatItCannotUse) {
  EXPECT_THROW(predicted_class_score(at::zeros({5})), UsageError);
  EXPECT_THROW(predicted_class_score(at::zeros({0, 5})), UsageError);
  EXPECT_THROW(predicted_class_score(at::full({2, 3}, INFINITY)), NumericError);
  EXPECT_THROW(predicted_class_splits(at::zeros({5, 3}), 6, 0), UsageError);
}

TEST(InceptionScoreMetric, IsCalledSoOnlyWithTheInceptionNetwork) {
  const auto metric =
      MetricRegistry::instance().find("inception_score").make.make(nlohmann::json::object());
  MetricInput input;
  input.sample_logits = golden_features(30, 5, 0.4, 3.0);
  EXPECT_EQ(metric->measure(input).at("name"), "predicted-class score");
  input.logits_are_fid_inception = true;
  EXPECT_EQ(metric->measure(input).at("name"), "Inception score");
  input.sample_logits = golden_features(9, 5, 0.4, 3.0);
  EXPECT_EQ(metric->missing(input), "sample_logits of 10 rows at least");
}

}  // namespace
}  // namespace equipoise::metrics
