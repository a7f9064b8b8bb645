#include "metrics/rank_correlation.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::metrics {
namespace {

TEST(RankCorrelation, SeesOrderAlone) {
  const std::vector<double> x{0.1, 7, 3, 2, 100};
  std::vector<double> rising, falling;
  for (const double value : x) {
    rising.push_back(std::exp(value / 10));
    falling.push_back(-value * value * value);
  }
  EXPECT_NEAR(rank_correlation(x, rising), 1, 1e-15);
  EXPECT_NEAR(rank_correlation(x, falling), -1, 1e-15);
}

// Ranks 1 2 3 4 5 and 1 2 3.5 5 3.5: covariance 8 of sqrt(10 * 9.5).
TEST(RankCorrelation, TiesShareTheirMeanRank) {
  EXPECT_NEAR(rank_correlation({1, 2, 3, 4, 5}, {5, 6, 7, 8, 7}), 8 / std::sqrt(95.0), 1e-15);
}

TEST(RankCorrelation, IsUndefinedWhereThereIsNoOrder) {
  EXPECT_TRUE(std::isnan(rank_correlation({1}, {2})));
  EXPECT_TRUE(std::isnan(rank_correlation({1, 2, 3}, {4, 4, 4})));
  EXPECT_TRUE(std::isnan(rank_correlation({1, NAN, 3}, {4, 5, 6})));
  EXPECT_THROW(rank_correlation({1, 2}, {1}), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
