#include "metrics/rarity.h"

#include <cmath>
#include <initializer_list>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(RarityScores, EqualAHandWorkedCase) {
  // Radii 1, 1, 2, 6 for k = 1.
  const at::Tensor references = column({0, 1, 3, 9});
  const at::Tensor scores = rarity_scores(column({1.5, 4, 2, 8, -1.5, 15}), references, {.k = 1});
  const at::Tensor expected = at::tensor({1.0, 2.0, 1.0, 6.0, double{INFINITY}, 6.0}, at::kDouble);
  EXPECT_TRUE(at::equal(scores, expected)) << scores;
}

// tests/golden/metrics_golden.py
TEST(RarityScores, AgreeWithScipy) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.1, 1.05);
  const at::Tensor scores = rarity_scores(samples, references);
  EXPECT_EQ(scores.isinf().sum().item<int64_t>(), 44);
  EXPECT_NEAR(scores.masked_select(scores.isfinite()).mean().item<double>(), 0.13505219841451271,
              1e-9);
  EXPECT_TRUE(at::allclose(rarity_scores(samples, references, {.budget_bytes = 1}), scores, 1e-9));
}

TEST(RarityScores, AreTenTimesHigherWhereReferencesAreTenTimesSparser) {
  const at::Tensor numbers = at::arange(200, at::kLong);
  const at::Tensor dense = random_normal(1, Purpose::kToyData, numbers, {2}).to(at::kDouble);
  const at::Tensor near_dense = random_normal(2, Purpose::kToyData, numbers, {2}).to(at::kDouble);
  const at::Tensor scores = rarity_scores(at::cat({near_dense, near_dense * 10 + 500}),
                                          at::cat({dense, dense * 10 + 500}));
  const at::Tensor of_dense = scores.slice(0, 0, 200);
  EXPECT_GT(of_dense.isfinite().sum().item<int64_t>(), 150);
  EXPECT_TRUE(at::allclose(scores.slice(0, 200), of_dense * 10, 1e-6));
}

TEST(RarityMetric, ReportsNoMeanWhenNoSampleIsInABall) {
  const auto metric = MetricRegistry::instance().find("rarity").make.make({{"k", 1}});
  MetricInput input;
  input.reference_features = column({0, 1, 3, 9});
  input.sample_features = column({-100, 200});
  const auto none = metric->measure(input);
  EXPECT_TRUE(none.at("value").is_null());
  EXPECT_EQ(none.at("share_undefined").at("value"), 1);
  input.sample_features = column({1.5, 200});
  const auto one = metric->measure(input);
  EXPECT_EQ(one.at("value"), 1);
  EXPECT_EQ(one.at("share_undefined").at("value"), 0.5);
  // Of 0, 1, 3 without their own balls; 9 is then in none.
  EXPECT_DOUBLE_EQ(one.at("of_reference").get<double>(), 8.0 / 3);
}

TEST(RarityScores, RefuseAReferenceTooSmallForItsRadius) {
  EXPECT_THROW(rarity_scores(at::zeros({2, 2}), at::zeros({3, 2})), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
