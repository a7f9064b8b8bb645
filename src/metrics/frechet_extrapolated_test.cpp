#include "metrics/frechet_extrapolated.h"

#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(ExtrapolateToInfinity, FindsTheLineItIsGiven) {
  const std::vector<int64_t> sizes{10, 20, 50, 400};
  std::vector<double> distances;
  for (const int64_t size : sizes) distances.push_back(1.5 + 30.0 / static_cast<double>(size));
  const ExtrapolatedFrechet line = extrapolate_to_infinity(sizes, distances);
  EXPECT_NEAR(line.value, 1.5, 1e-12);
  EXPECT_NEAR(line.slope, 30, 1e-10);
  EXPECT_NEAR(line.standard_error, 0, 1e-12);
}

// tests/golden/metrics_golden.py: scipy.stats.linregress.
TEST(ExtrapolateToInfinity, AgreesWithScipy) {
  const ExtrapolatedFrechet line =
      extrapolate_to_infinity({50, 100, 200, 400}, {3.1, 2.4, 2.3, 2.1});
  EXPECT_NEAR(line.value, 1.9565217391304348, 1e-12);
  EXPECT_NEAR(line.slope, 55.30434782608696, 1e-10);
  EXPECT_NEAR(line.standard_error, 0.08136361476227179, 1e-12);
}

TEST(FrechetExtrapolated, GoesFromTheSmallestShareToAllSamples) {
  const FrechetReference reference(moments_of(normal_rows(500, 2, 9)));
  const at::Tensor samples = normal_rows(300, 2, 1);
  const ExtrapolatedFrechet line = frechet_extrapolated(samples, reference, {.num_points = 10});
  EXPECT_EQ(line.sizes, (std::vector<int64_t>{30, 60, 90, 120, 150, 180, 210, 240, 270, 300}));
  EXPECT_NEAR(line.distances.back(), reference.distance_to(moments_of(samples)).value, 1e-10);
  EXPECT_EQ(frechet_extrapolated(samples, reference, {.num_points = 10}).value, line.value);
  EXPECT_NE(frechet_extrapolated(samples, reference, {.num_points = 10, .seed = 1}).value,
            line.value);
}

// Samples N(0, 1) in 8 dimensions against that law itself: the distance is 0, that of 400 samples
// 0.064. Means over 40 sets, with standard errors of 0.004 and 0.0024 (simulated): false alarm in
// 1 of 50,000 choices of seeds.
TEST(FrechetExtrapolated, TakesOutTheBiasOfFewSamples) {
  constexpr int kTrials = 40;
  const FrechetReference reference(at::zeros({8}, at::kDouble), at::eye(8, at::kDouble));
  double extrapolated = 0;
  double plain = 0;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    const at::Tensor samples = normal_rows(400, 8, trial);
    extrapolated +=
        frechet_extrapolated(samples, reference, {.smallest_share = 0.25}).value / kTrials;
    plain += reference.distance_to(moments_of(samples)).value / kTrials;
  }
  EXPECT_NEAR(extrapolated, 0, 0.02);
  EXPECT_GT(plain, 0.05);
}

TEST(FrechetExtrapolated, RefusesTooFewSamplesAndSizes) {
  const FrechetReference reference(moments_of(normal_rows(50, 2, 9)));
  EXPECT_THROW(frechet_extrapolated(normal_rows(29, 2, 1), reference), UsageError);
  EXPECT_THROW(extrapolate_to_infinity({5, 6}, {1, 2}), UsageError);
  EXPECT_THROW(extrapolate_to_infinity({5, 6, 6}, {1, 2, 3}), UsageError);
  EXPECT_THROW(extrapolate_to_infinity({5, 6, 7}, {1, 2}), UsageError);
}

TEST(FrechetExtrapolatedMetric, WarnsWhenItsSmallestPartIsTooSmall) {
  const auto metric =
      MetricRegistry::instance().find("frechet_extrapolated").make.make(nlohmann::json::object());
  MetricInput input;
  input.reference_features = normal_rows(100, 4, 2);
  input.sample_features = normal_rows(60, 4, 1);
  EXPECT_TRUE(metric->measure(input).at("warnings").empty());
  EXPECT_EQ(metric->measure(input).at("points").size(), 15u);
  input.sample_features = normal_rows(40, 4, 1);
  EXPECT_EQ(metric->measure(input).at("warnings").size(), 1u);
  input.sample_features = normal_rows(29, 4, 1);
  EXPECT_EQ(metric->missing(input), "sample_features of 30 rows at least");
}

}  // namespace
}  // namespace equipoise::metrics
