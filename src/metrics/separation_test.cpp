#include "metrics/separation.h"

#include <cmath>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::metrics {
namespace {

at::Tensor numbers(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble);
}

at::Tensor normals(int64_t first, int64_t count, double mean) {
  return random_normal(3, Purpose::kToyData, at::arange(first, first + count), {1})
             .to(at::kDouble)
             .squeeze(1) +
         mean;
}

// Pairs: 3 > 1, 3 > 2, 2 > 1, and 2 = 2 for a half; shares of the x (1, 0.75), of the y (0, 0.25).
TEST(Separation, CountsPairsAndTiesByHand) {
  const Interval found = separation(numbers({3, 2}), numbers({1, 2}));
  EXPECT_DOUBLE_EQ(found.value, 3.5 / 4);
  // Variances of (1, 0.75) and of (0, 0.25) are 1/32: standard error sqrt(1/32).
  EXPECT_NEAR(found.low, 0.875 - 1.959964 * std::sqrt(1.0 / 32), 1e-6);
  EXPECT_EQ(found.high, 1) << "cut";
}

TEST(Separation, DependsOnOrderAloneAndTurnsRound) {
  const at::Tensor x = normals(0, 40, 1), y = normals(40, 30, 0);
  const Interval found = separation(x, y);
  EXPECT_EQ(separation(x.exp(), y.exp()).value, found.value);
  EXPECT_EQ(separation(x.exp(), y.exp()).low, found.low);
  EXPECT_NEAR(separation(y, x).value, 1 - found.value, 1e-14);
  EXPECT_NEAR(separation(y, x).low, 1 - found.high, 1e-14);
}

TEST(Separation, IsNeverSureOfAFewItems) {
  const Interval apart = separation(numbers({3, 4, 5}), numbers({0, 1, 2, 2.5}));
  EXPECT_EQ(apart.value, 1);
  EXPECT_NEAR(apart.low, std::cbrt(0.025), 1e-12) << "three of three";
  EXPECT_EQ(separation(numbers({0}), numbers({1, 2})).value, 0);
  EXPECT_EQ(separation(numbers({1, 1}), numbers({1, 1})).value, 0.5);
  EXPECT_THROW(separation(numbers({}), numbers({1})), UsageError);
}

// Normals a unit apart: Phi(1 / sqrt 2) = 0.760250. 400 draws of 60 and 50; the standard error of
// the coverage is 0.011, and DeLong's falls a little short at this size.
TEST(Separation, ItsIntervalHoldsTheTruth) {
  int64_t num_held = 0;
  for (int64_t draw = 0; draw < 400; ++draw) {
    const Interval found = separation(normals(200 * draw, 60, 1), normals(200 * draw + 100, 50, 0));
    num_held += found.low <= 0.760250 && 0.760250 <= found.high;
  }
  EXPECT_GT(num_held, 364);
  EXPECT_LT(num_held, 396);
}

}  // namespace
}  // namespace equipoise::metrics
