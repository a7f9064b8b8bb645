#include "metrics/coverage.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"

namespace equipoise::metrics {
namespace {

// tests/golden/metrics_golden.py
TEST(Coverage, AgreesWithScipy) {
  const Coverage measured =
      measure_coverage(golden_features(200, 3, 0.0, 1.0), golden_features(150, 3, 0.7, 1.2));
  EXPECT_DOUBLE_EQ(measured.coverage.value, 0.12);
  EXPECT_DOUBLE_EQ(measured.density, 0.056);
}

TEST(Coverage, IsOneForIdenticalSetsAndZeroFarAway) {
  const at::Tensor set = normal_rows(200, 3, 1);
  EXPECT_DOUBLE_EQ(measure_coverage(set, set).coverage.value, 1);
  const Coverage far = measure_coverage(set + 1000, set);
  EXPECT_DOUBLE_EQ(far.coverage.value, 0);
  EXPECT_DOUBLE_EQ(far.density, 0);
}

TEST(Coverage, MeetsItsExpectationForTheSameLaw) {
  // Mean over 20 pairs of sets; one pair's standard deviation is below 0.03.
  double coverage = 0;
  double density = 0;
  Coverage measured;
  for (int trial = 0; trial < 20; ++trial) {
    measured = measure_coverage(normal_rows(150, 3, 2 * trial), normal_rows(300, 3, 2 * trial + 1),
                                {.k = 3});
    coverage += measured.coverage.value / 20;
    density += measured.density / 20;
  }
  EXPECT_NEAR(coverage, measured.expected, 0.02);
  EXPECT_NEAR(density, 1, 0.08);
}

TEST(Coverage, SeesALostMode) {
  const at::Tensor modes = at::cat({normal_rows(150, 3, 1), normal_rows(150, 3, 2) + 50});
  const Coverage measured = measure_coverage(normal_rows(300, 3, 3), modes);
  EXPECT_LT(measured.coverage.high, 0.6);
  EXPECT_GT(measured.coverage.value, 0.4);
}

TEST(ExpectedCoverage, EqualsTheLemmaForOneNeighbour) {
  // k = 1: the nearest of N samples and M - 1 other references is a sample with chance N / (N + M -
  // 1).
  EXPECT_NEAR(expected_coverage(100, 50, 1), 100.0 / 149, 1e-12);
}

TEST(Coverage, RefusesAReferenceTooSmallForItsRadius) {
  EXPECT_THROW(measure_coverage(normal_rows(10, 3, 1), normal_rows(5, 3, 2), {.k = 5}), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
