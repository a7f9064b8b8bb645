#include "metrics/avg_knn.h"

#include <initializer_list>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(AverageNeighbourDistances, EqualAHandWorkedCase) {
  const at::Tensor averages =
      average_neighbour_distances(column({0, 5}), column({1, 2, 4, 8}), {.k = 3});
  EXPECT_DOUBLE_EQ(averages[0].item<double>(), (1.0 + 2 + 4) / 3);
  EXPECT_DOUBLE_EQ(averages[1].item<double>(), (1.0 + 3 + 3) / 3);
}

TEST(AverageNeighbourDistances, CountAReferenceItselfAsZeroUnlessExcluded) {
  const at::Tensor set = column({0, 1, 3, 7});
  const at::Tensor with_self = average_neighbour_distances(set, set, {.k = 2});
  const at::Tensor without = average_neighbour_distances(set, set, {.k = 2, .skip_same_row = true});
  EXPECT_TRUE(at::allclose(with_self, at::tensor({0.5, 0.5, 1.0, 2.0}, at::kDouble)));
  EXPECT_TRUE(at::allclose(without, at::tensor({2.0, 1.5, 2.5, 5.0}, at::kDouble)));
  EXPECT_EQ(average_neighbour_distances(set, set, {.k = 1}).abs().max().item<double>(), 0);
}

// tests/golden/metrics_golden.py
TEST(AverageNeighbourDistances, AgreeWithScipy) {
  const at::Tensor averages = average_neighbour_distances(golden_features(200, 3, 0.0, 1.0),
                                                          golden_features(150, 3, 0.1, 1.05));
  EXPECT_NEAR(averages.mean().item<double>(), 0.14764683632235717, 1e-9);
}

TEST(AvgKnnMetric, StatesWhatReferencesScoreAmongThemselves) {
  const auto metric = MetricRegistry::instance().find("avg_knn").make.make({{"k", 2}});
  MetricInput input;
  input.reference_features = column({0, 1, 3, 7});
  input.sample_features = input.reference_features;
  const auto measured = metric->measure(input);
  EXPECT_DOUBLE_EQ(measured.at("value").get<double>(), 1);
  EXPECT_DOUBLE_EQ(measured.at("of_reference").get<double>(), 2.75);
  EXPECT_EQ(metric->missing(MetricInput{}),
            "sample_features of 1 rows at least, reference_features of 3 rows at least");
}

TEST(AverageNeighbourDistances, RefuseTooFewReferences) {
  EXPECT_THROW(average_neighbour_distances(at::zeros({2, 2}), at::zeros({4, 2})), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
