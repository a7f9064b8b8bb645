#include "track/value_histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::track {
namespace {

/// The count of the one bucket that holds `value`.
double count_at(const ValueHistogram& histogram, double value) {
  size_t bucket = 0;
  while (histogram.limits[bucket] <= value) ++bucket;
  return histogram.counts[bucket];
}

TEST(ValueHistogram, CountsEveryFiniteValueOnceInABucketATenthWide) {
  const double infinity = std::numeric_limits<double>::infinity();
  const at::Tensor values =
      torch::tensor({-2.0, 0.0, 0.0, 1e-13, 0.5, 0.5, 3.0, infinity, std::nan("")}, at::kDouble);
  const ValueHistogram histogram = histogram_of(values);
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), 0.0), 7);
  EXPECT_EQ(histogram.num, 7);
  EXPECT_EQ(histogram.min, -2);
  EXPECT_EQ(histogram.max, 3);
  EXPECT_DOUBLE_EQ(histogram.sum, 2 + 1e-13);
  EXPECT_DOUBLE_EQ(histogram.sum_squares, 4 + 0.5 + 9);
  EXPECT_EQ(count_at(histogram, 0.5), 2);
  EXPECT_EQ(count_at(histogram, -2), 1);
  EXPECT_EQ(count_at(histogram, 0), 3);  // from 0 up to 1e-12
  EXPECT_TRUE(std::is_sorted(histogram.limits.begin(), histogram.limits.end()));
  for (size_t i = 1; i < histogram.limits.size(); ++i) {
    EXPECT_FALSE(histogram.counts[i - 1] == 0 && histogram.counts[i] == 0) << "a row of empty ones";
    if (histogram.counts[i] > 0 && histogram.limits[i - 1] > 0) {
      EXPECT_NEAR(histogram.limits[i] / histogram.limits[i - 1], 1.1, 1e-9);
    }
  }
}

TEST(ValueHistogram, OfNothingOrOfTheGreatestNumberIsStillOne) {
  const ValueHistogram empty = histogram_of(at::empty({0}));
  EXPECT_THAT(empty.counts, testing::ElementsAre(0));
  EXPECT_EQ(empty.limits.size(), 1u);
  const double greatest = std::numeric_limits<double>::max();
  const ValueHistogram ends = histogram_of(torch::tensor({-greatest, greatest}, at::kDouble));
  EXPECT_EQ(ends.counts.front() + ends.counts.back() + ends.counts[1], 2);
}

TEST(ValueHistogram, TakesCountsThatWereMadeAlready) {
  const ValueHistogram histogram = histogram_of_counts({0, 0.5, 1, 2}, {0, 4, 1});
  EXPECT_THAT(histogram.limits, testing::ElementsAre(0, 0.5, 1, 2));
  EXPECT_THAT(histogram.counts, testing::ElementsAre(0, 0, 4, 1));
  EXPECT_EQ(histogram.min, 0.5);
  EXPECT_EQ(histogram.max, 2);
  EXPECT_EQ(histogram.num, 5);
  EXPECT_DOUBLE_EQ(histogram.sum, 4 * 0.75 + 1.5);
  EXPECT_DOUBLE_EQ(histogram.sum_squares, 4 * 0.5625 + 2.25);
  EXPECT_THROW(histogram_of_counts({0, 1}, {1, 2}), UsageError);
}

}  // namespace
}  // namespace equipoise::track
