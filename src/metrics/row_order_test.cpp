#include "metrics/row_order.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kNumRows = 200;

RandomStream test_stream() {
  return RandomStream(7, Purpose::kToyData);
}

TEST(RandomPart, HoldsTheSameRowsInTheSameSequenceForShuffledRows) {
  const at::Tensor rows = golden_features(kNumRows, 3, 0, 1);
  const at::Tensor shuffled =
      rows.index_select(0, random_permutation(RandomStream(3, Purpose::kToyData), kNumRows));
  const at::Tensor part = random_part(content_order(rows), 60, test_stream());
  const at::Tensor of_shuffled = random_part(content_order(shuffled), 60, test_stream());
  EXPECT_FALSE(at::equal(part, of_shuffled));
  EXPECT_TRUE(at::equal(rows.index_select(0, part), shuffled.index_select(0, of_shuffled)));
}

TEST(ContentOrder, IsAPermutationAlsoOfViewsAndOfEqualRows) {
  const at::Tensor every_row = at::arange(kNumRows, at::kLong);
  const at::Tensor view = golden_features(6, kNumRows, 0, 1).to(at::kFloat).t();
  EXPECT_TRUE(at::equal(std::get<0>(content_order(view).sort()), every_row));
  EXPECT_TRUE(at::equal(content_order(view), content_order(view.contiguous())));
  EXPECT_TRUE(at::equal(std::get<0>(content_order(at::zeros({kNumRows, 2})).sort()), every_row));
}

// Each row is in a part of half with chance 1/2: over 400 streams the count is binomial with
// standard deviation 10. All 200 within 5 of these: false alarm in 1 of 9,000 choices of seeds.
TEST(RandomPart, PicksEveryRowEquallyOften) {
  const at::Tensor order = content_order(golden_features(kNumRows, 3, 0, 1));
  at::Tensor counts = at::zeros({kNumRows}, at::kLong);
  for (uint64_t i = 0; i < 400; ++i) {
    const at::Tensor part = random_part(order, kNumRows / 2, RandomStream(7, Purpose::kToyData, i));
    counts += at::bincount(part, {}, kNumRows);
  }
  EXPECT_LE(counts.max().item<int64_t>(), 250);
  EXPECT_GE(counts.min().item<int64_t>(), 150);
}

TEST(RandomPart, RefusesMoreRowsThanThereAre) {
  EXPECT_THROW(random_part(at::arange(5, at::kLong), 6, test_stream()), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
