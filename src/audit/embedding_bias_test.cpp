#include "audit/embedding_bias.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

at::Tensor vector(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

TEST(LinearFit, OfALineExplainsAllOfIt) {
  const LinearFit fit = fit_line({0, 1, 2, 5}, {3, 1, -1, -7});
  EXPECT_NEAR(fit.slope.value, -2, 1e-12);
  EXPECT_NEAR(fit.intercept.value, 3, 1e-12);
  EXPECT_NEAR(fit.r_squared, 1, 1e-12);
  EXPECT_LT(fit.p_value, 1e-6);
}

TEST(LinearFit, OfAConstantHasNoSlope) {
  const LinearFit fit = fit_line({0, 1, 2, 5}, {4, 4, 4, 4});
  EXPECT_EQ(fit.slope.value, 0);
  EXPECT_EQ(fit.r_squared, 0);
  EXPECT_EQ(fit.p_value, 1);
}

TEST(LinearFit, WhatIsExplainedDoesNotDependOnUnits) {
  const std::vector<double> x{0.1, 0.5, 0.2, 0.9, 0.4}, y{1, 3, 1.5, 2.5, 2};
  std::vector<double> scaled_x, scaled_y;
  for (size_t i = 0; i < x.size(); ++i) {
    scaled_x.push_back(7 * x[i] - 3);
    scaled_y.push_back(-2 * y[i] + 10);
  }
  const LinearFit plain = fit_line(x, y), scaled = fit_line(scaled_x, scaled_y);
  EXPECT_NEAR(plain.r_squared, scaled.r_squared, 1e-12);
  EXPECT_NEAR(plain.p_value, scaled.p_value, 1e-12);
  EXPECT_NEAR(scaled.slope.value, plain.slope.value * -2 / 7, 1e-12);
}

// Worked out by hand: slope 0.6, residuals of sum of squares 2.4, standard error sqrt(0.8 / 10),
// t = 2.1213 on 3 degrees of freedom.
TEST(LinearFit, HasStudentsIntervalAndP) {
  const LinearFit fit = fit_line({1, 2, 3, 4, 5}, {2, 4, 5, 4, 5});
  EXPECT_NEAR(fit.slope.value, 0.6, 1e-12);
  EXPECT_NEAR(fit.intercept.value, 2.2, 1e-12);
  EXPECT_NEAR(fit.r_squared, 0.6, 1e-12);
  EXPECT_NEAR(fit.slope.high - 0.6, 3.182446 * std::sqrt(0.08), 1e-5);
  EXPECT_NEAR(fit.p_value, 0.124027, 1e-5);
}

TEST(LinearFit, RefusesPointsThatDetermineNoLine) {
  EXPECT_THROW(fit_line({1, 2}, {1, 2}), UsageError);
  EXPECT_THROW(fit_line({1, 1, 1}, {1, 2, 3}), UsageError);
  EXPECT_THROW(fit_line({1, 2, 3}, {1, 2}), UsageError);
}

TEST(EmbeddingBias, IsTheDifferenceOfCosines) {
  const at::Tensor man = vector({1, 0, 0}), woman = vector({0, 2, 0});
  const EmbeddingBias bias = embedding_bias(vector({0.6, 0.8, 0}), man, woman);
  EXPECT_NEAR(bias.difference, -0.2, 1e-12);
  EXPECT_NEAR(bias.ratio.value(), 0.75, 1e-12);
  EXPECT_NEAR(embedding_bias(vector({1, 1, 5}), man, woman).difference, 0, 1e-12);
}

TEST(EmbeddingBias, HasNoRatioOfSmallOrNegativeCosines) {
  const at::Tensor man = vector({1, 0}), woman = vector({0, 1});
  EXPECT_FALSE(embedding_bias(vector({1, 0.01}), man, woman).ratio.has_value());
  EXPECT_FALSE(embedding_bias(vector({1, -1}), man, woman).ratio.has_value());
  EXPECT_EQ(embedding_bias(vector({0, 0}), man, woman).difference, 0);
}

TEST(OutputBias, IsBalancedWhenTheWholeIntervalIsWithinTheTolerance) {
  at::Tensor weights = at::empty({400, 2}, at::kDouble);
  weights.select(1, 0).copy_(at::arange(400).remainder(2).to(at::kDouble) * 0.2 + 0.4);
  weights.select(1, 1).copy_(1 - weights.select(1, 0));
  const OutputBias bias = output_bias(weights, 0.05, {});
  EXPECT_NEAR(bias.balance.value, 0, 1e-12);
  EXPECT_EQ(bias.share.value, 0.5);
  EXPECT_TRUE(bias.is_balanced);
  EXPECT_FALSE(output_bias(weights, 0.001, {}).is_balanced);
  EXPECT_FALSE(output_bias(weights + vector({0.1, -0.1}), 0.05, {}).is_balanced);
}

// 200 repeats of 100 images at 1/2: the share of intervals that miss is 0.057 (exactly, for this n);
// more than 26 of 200 do with probability 1e-4.
TEST(OutputBias, IntervalOfABalancedGeneratorCoversOneHalf) {
  int64_t num_missed = 0;
  for (uint64_t repeat = 0; repeat < 200; ++repeat) {
    const at::Tensor first =
        random_uniform(repeat, Purpose::kToyData, at::arange(100), {1}).to(at::kDouble);
    const OutputBias bias = output_bias(at::cat({first, 1 - first}, 1), 0.1, {});
    num_missed += metrics::contains(bias.share, 0.5) ? 0 : 1;
  }
  EXPECT_LE(num_missed, 26);
  EXPECT_GT(num_missed, 0);
}

std::vector<BiasPoint> points_at(const std::vector<double>& differences) {
  std::vector<BiasPoint> points;
  for (const double delta : differences) {
    points.push_back({.word = "w", .embedding = {.difference = delta}, .output = {}});
    points.back().output.share.value = 0.5 + 0.4 * delta;
  }
  return points;
}

TEST(EmbeddingBias, RelatesToOutputBiasByALine) {
  const auto fit = relate(points_at({-0.2, 0.0, 0.1, 0.3}));
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->slope.value, 0.4, 1e-12);
  EXPECT_NEAR(fit->intercept.value, 0, 1e-12);
}

TEST(EmbeddingBias, WordsThatAreBiasedAlikeShowNoLine) {
  EXPECT_FALSE(relate(points_at({0.1, 0.3})).has_value());
  EXPECT_FALSE(relate(points_at({0, 0, 0, 0})).has_value());
  EXPECT_FALSE(relate(points_at({0, 3e-8, -2e-8})).has_value());
}

}  // namespace
}  // namespace equipoise::audit
