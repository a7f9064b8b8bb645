#include "metrics/total_variation.h"

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "metrics/count_fixture.h"

namespace equipoise::metrics {
namespace {

TEST(TotalVariationDistance, IsTheShareThatMustChangeGroup) {
  EXPECT_DOUBLE_EQ(total_variation_distance({0.5, 0.5}, {0.5, 0.5}), 0);
  EXPECT_DOUBLE_EQ(total_variation_distance({1, 0}, {0, 1}), 1);
  EXPECT_NEAR(total_variation_distance({0.7, 0.2, 0.1}, {0.4, 0.3, 0.3}), 0.3, 1e-15);
}

RC_GTEST_PROP(TotalVariationDistance, IsSymmetricAndKeepsTheTriangleInequality, ()) {
  const auto shares = [] {
    return to_shares(*rc::gen::container<Counts>(5, rc::gen::inRange<int64_t>(1, 100)));
  };
  const auto a = shares();
  const auto b = shares();
  const auto c = shares();
  RC_ASSERT(total_variation_distance(a, b) == total_variation_distance(b, a));
  RC_ASSERT(total_variation_distance(a, c) <=
            total_variation_distance(a, b) + total_variation_distance(b, c) + 1e-12);
}

TEST(TotalVariation, ReachesDownToZeroForSamplesOfTheTarget) {
  // 100 trials at a chance of 0.95 each: fewer than 88 in 2 of 1,000 seeds; these seeds are fixed.
  int reaching_zero = 0;
  for (int trial = 0; trial < 100; ++trial) {
    const auto measured =
        total_variation(draw_counts(Counts(10, 1), 500, trial), std::vector<double>(10, 0.1),
                        {.num_replicates = 200, .seed = 3});
    reaching_zero += measured.interval.low == 0;
  }
  EXPECT_GE(reaching_zero, 88);
}

TEST(TotalVariation, FloorEqualsTheMeanOverSamplesOfTheTarget) {
  // Ten equal groups, n samples each draw: 1/2 sum E|p - 0.1| = 5 sqrt(2 * 0.09 / (pi n)) for large
  // n.
  const auto measured = total_variation(Counts(10, 100), std::vector<double>(10, 0.1));
  EXPECT_NEAR(measured.floor, 5 * std::sqrt(2 * 0.09 / (M_PI * 1000)), 0.0015);
  EXPECT_GT(measured.floor_high, measured.floor);
}

// Fixed seeds. Over seeds, 200 trials at a true coverage of 0.93 fall below 0.87 in about 1 of
// 1,000 cases.
TEST(TotalVariation, CoversATrueDistanceFarFromTheFloor) {
  const Counts law = {2, 2, 2, 14, 14, 14, 14, 14, 14, 10};
  const double truth = total_variation_distance(to_shares(law), std::vector<double>(10, 0.1));
  int covered = 0;
  for (int trial = 0; trial < 200; ++trial) {
    const auto measured =
        total_variation(draw_counts(law, 600, trial), std::vector<double>(10, 0.1),
                        {.num_replicates = 200, .seed = 3});
    covered += contains(measured.interval, truth);
  }
  EXPECT_GT(covered, 174);
}

TEST(CorrectedTotalVariation, TakesOutTheClassifiersErrors) {
  // True shares (0.9, 0.1) seen through a classifier that errs on 1 in 5: predictions (0.74, 0.26).
  const ConfusionMatrix confusion = {{8000, 2000}, {2000, 8000}};
  const auto measured = corrected_total_variation({7400, 2600}, confusion, {0.5, 0.5});
  EXPECT_NEAR(measured.interval.value, 0.4, 1e-6);
  EXPECT_NEAR(total_variation({7400, 2600}, {0.5, 0.5}).interval.value, 0.24, 1e-12);
  EXPECT_TRUE(contains(measured.interval, 0.4));
  EXPECT_LT(measured.floor_high, 0.05);
}

TEST(TotalVariation, RefusesATargetThatIsNoDistribution) {
  EXPECT_THROW(total_variation({1, 2}, {0.5, 0.6}), UsageError);
  EXPECT_THROW(total_variation({1, 2}, {0.5, 0.25, 0.25}), UsageError);
  EXPECT_THROW(total_variation({0, 0}, {0.5, 0.5}), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
