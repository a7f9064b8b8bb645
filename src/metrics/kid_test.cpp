#include "metrics/kid.h"

#include <cmath>
#include <initializer_list>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/intervals.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(KernelDistance, EqualsAHandWorkedCase) {
  // k(0,1) = k(0,0) = 1, k(1,1) = 8: within {0,0,1} 1, within {1,1} 8, across 2/3 + 8/3.
  const KernelDistance distance = kernel_distance(column({0, 0, 1}), column({1, 1}));
  EXPECT_NEAR(distance.value, 1 + 8 - 2 * (2.0 + 8.0) / 3, 1e-12);
}

// tests/golden/metrics_golden.py: scikit-learn's kernel; the standard error by leaving out each row.
TEST(KernelDistance, AgreesWithScikitLearn) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.7, 1.2);
  const KernelDistance distance = kernel_distance(samples, references);
  EXPECT_NEAR(distance.value, 0.030700859426692872, 1e-12);
  EXPECT_NEAR(distance.standard_error, 0.007348087087572565, 1e-12);
}

TEST(KernelDistance, IsTheSameForAnyBudget) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.7, 1.2);
  const KernelDistance roomy = kernel_distance(samples, references);
  const KernelDistance tight = kernel_distance(samples, references, /*budget_bytes=*/1);
  EXPECT_NEAR(tight.value, roomy.value, 1e-13);
  EXPECT_NEAR(tight.standard_error, roomy.standard_error, 1e-13);
}

// Mean over 400 pairs of sets within 4 of its standard errors: false alarm in 1 of 16,000 choices
// of seeds. The biased estimator, which pairs rows with themselves, would be off by about 1.9.
TEST(KernelDistance, IsZeroOnAverageForSetsOfTenFromOneLaw) {
  constexpr int kTrials = 400;
  std::vector<double> values;
  for (int trial = 0; trial < kTrials; ++trial) {
    values.push_back(
        kernel_distance(normal_rows(10, 4, 2 * trial), normal_rows(10, 4, 2 * trial + 1)).value);
  }
  const at::Tensor of_trials = at::tensor(values, at::kDouble);
  const double standard_error = of_trials.std().item<double>() / std::sqrt(kTrials);
  EXPECT_NEAR(of_trials.mean().item<double>(), 0, 4 * standard_error);
  EXPECT_LT(standard_error, 0.1);
}

/// The expected distance of samples N(mean, 1) to a fixed one-dimensional reference [M,1], from
/// moments: (x y + 1)^3 = 1 + 3 x y + 3 x^2 y^2 + x^3 y^3.
double expected_distance(double mean, const at::Tensor& reference) {
  const double moments[] = {1, mean, mean * mean + 1, mean * mean * mean + 3 * mean};
  const double binomials[] = {1, 3, 3, 1};
  const double m = static_cast<double>(reference.numel());
  double distance = 0;
  for (int p = 0; p < 4; ++p) {
    const double sum = reference.pow(p).sum().item<double>();
    const double of_pairs = (sum * sum - reference.pow(2 * p).sum().item<double>()) / (m * (m - 1));
    distance += binomials[p] * (moments[p] * moments[p] + of_pairs - 2 * moments[p] * sum / m);
  }
  return distance;
}

// 200 fixed seeds at a true coverage near 0.935: fewer than 174 in 1 of 3,000 choices of seeds.
TEST(KernelDistance, HasAnIntervalThatCoversItsExpectation) {
  const at::Tensor reference = normal_rows(300, 1, 999);
  int covered = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const KernelDistance distance = kernel_distance(normal_rows(500, 1, trial) + 0.5, reference);
    covered += contains(normal_interval(distance.value, distance.standard_error, 0.95, "jackknife"),
                        expected_distance(0.5, reference));
  }
  EXPECT_GE(covered, 174);
}

TEST(KernelDistanceBlocks, EqualTheWholeWhenABlockIsAsLargeAsTheSets) {
  const at::Tensor samples = golden_features(80, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(80, 3, 0.7, 1.2);
  const KernelBlocks blocks = kernel_distance_blocks(samples, references, {.num_blocks = 4});
  EXPECT_EQ(blocks.block_size, 80);
  EXPECT_NEAR(blocks.mean, kernel_distance(samples, references).value, 1e-13);
  EXPECT_NEAR(blocks.standard_deviation, 0, 1e-13);
}

TEST(KernelDistanceBlocks, AreBlocksOfTheirSizeNearTheWhole) {
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const at::Tensor references = golden_features(150, 3, 0.7, 1.2);
  const KernelBlocks small = kernel_distance_blocks(samples, references, {.block_size = 20});
  const KernelBlocks large = kernel_distance_blocks(samples, references, {.block_size = 80});
  EXPECT_EQ(small.block_size, 20);
  EXPECT_GT(small.standard_deviation, 2 * large.standard_deviation);
  // Blocks share rows with the whole, so that their mean strays less than its own standard error.
  EXPECT_NEAR(small.mean, kernel_distance(samples, references).value,
              4 * small.standard_deviation / std::sqrt(100));
}

TEST(KernelDistance, RefusesTooFewRowsOtherWidthsAndWhatIsNotFinite) {
  const at::Tensor three = at::zeros({3, 2});
  EXPECT_THROW(kernel_distance(at::zeros({2, 2}), three), UsageError);
  EXPECT_THROW(kernel_distance(three, at::zeros({1, 2})), UsageError);
  EXPECT_THROW(kernel_distance(three, at::zeros({3, 4})), UsageError);
  EXPECT_THROW(kernel_distance(three, at::full({3, 2}, NAN)), NumericError);
}

TEST(KernelDistanceMetric, IsCalledKidOnlyOnTheInceptionFeatures) {
  const auto metric = MetricRegistry::instance().find("kid").make.make({{"blocks", 1}});
  MetricInput input;
  input.sample_features = golden_features(20, 3, 0.0, 1.0);
  input.reference_features = golden_features(20, 3, 0.7, 1.2);
  EXPECT_EQ(metric->measure(input).at("name"), "kernel distance");
  input.features_are_fid_inception = true;
  EXPECT_EQ(metric->measure(input).at("name"), "kernel distance (KID)");
}

}  // namespace
}  // namespace equipoise::metrics
