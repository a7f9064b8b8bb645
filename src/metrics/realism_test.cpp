#include "metrics/realism.h"

#include <cmath>
#include <initializer_list>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(RealismScores, EqualAHandWorkedCase) {
  // Radii 1, 1, 2, 6 for k = 1; median 1.5 leaves the balls of 0 and 1.
  const at::Tensor references = column({0, 1, 3, 9});
  const at::Tensor scores = realism_scores(column({1.5, -2, 9, 1}), references, {.k = 1});
  EXPECT_DOUBLE_EQ(scores[0].item<double>(), 2);
  EXPECT_DOUBLE_EQ(scores[1].item<double>(), 0.5);
  EXPECT_DOUBLE_EQ(scores[2].item<double>(), 1.0 / 8);  // at the lone reference, whose ball is out
  EXPECT_EQ(scores[3].item<double>(), INFINITY);
}

// tests/golden/metrics_golden.py
TEST(RealismScores, AgreeWithScipy) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.1, 1.05);
  const at::Tensor scores = realism_scores(samples, references);
  EXPECT_NEAR(scores.mean().item<double>(), 0.835094451935613, 1e-9);
  EXPECT_EQ(scores.ge(1).sum().item<int64_t>(), 53);
  EXPECT_TRUE(at::allclose(realism_scores(samples, references, {.budget_bytes = 1}), scores, 1e-9));
}

TEST(RealismScores, DoNotChangeWithTheScaleOfFeatures) {
  const at::Tensor samples = golden_features(40, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(50, 3, 0.1, 1.05);
  EXPECT_TRUE(at::allclose(realism_scores(samples * 1000 + 7, references * 1000 + 7),
                           realism_scores(samples, references), 1e-6));
}

TEST(RealismScores, AreInfiniteForCopiesAlsoOfCopies) {
  const at::Tensor references = column({2, 2, 2, 7, 8, 9, 10});
  const at::Tensor scores = realism_scores(column({2, 2.5}), references, {.k = 2});
  EXPECT_EQ(scores[0].item<double>(), INFINITY);
  EXPECT_EQ(scores[1].item<double>(), 1 / 5.5);  // radii 0, 0, 0, 2, 1, 1, 2: 8 has one of 1
}

TEST(RealismMetric, CountsCopiesApart) {
  const auto metric = MetricRegistry::instance().find("realism").make.make({{"k", 1}});
  MetricInput input;
  input.reference_features = column({0, 1, 3, 9});
  input.sample_features = column({1.5, -2, 9, 1});
  const auto measured = metric->measure(input);
  EXPECT_EQ(measured.at("value"), 0.5);
  EXPECT_EQ(measured.at("of_reference"), 0.5);  // 1, 1, 1/2, 1/8, without their own balls
  EXPECT_EQ(measured.at("num_infinite"), 1);
  EXPECT_DOUBLE_EQ(measured.at("mean").get<double>(), 2.625 / 3);
  input.sample_features = column({1});
  EXPECT_TRUE(metric->measure(input).at("mean").is_null());
  EXPECT_TRUE(metric->measure(input).at("quantiles").is_null());
}

TEST(RealismScores, RefuseAReferenceTooSmallForItsRadius) {
  EXPECT_THROW(realism_scores(at::zeros({2, 2}), at::zeros({3, 2})), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
