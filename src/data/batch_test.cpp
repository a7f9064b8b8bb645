// Streams, mini-batches by image number, and the thread that prepares them.
#include <algorithm>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "data/batch_source.h"
#include "data/stream.h"
#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::HasSubstr;

std::shared_ptr<const ImageSet> shared_set(const std::vector<int64_t>& counts) {
  return std::make_shared<ImageSet>(tiny_set(counts));
}

BatchSource::Options with_law(Law law) {
  BatchSource::Options options;
  options.law = law;
  options.seed = 5;
  return options;
}

TEST(EndlessStream, CoversEveryElementOnceAnEpochInANewOrder) {
  const EndlessStream stream(at::arange(100, 150), 1, 0);
  std::vector<std::vector<int64_t>> epochs;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.push_back(to_vector(stream.take(epoch * 50, 50)));
    std::vector<int64_t> sorted = epochs.back();
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, to_vector(at::arange(100, 150)));
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(EndlessStream, DependsOnSeedAndStream) {
  const at::Tensor all = at::arange(50);
  const at::Tensor first = EndlessStream(all, 1, 0).take(0, 50);
  EXPECT_FALSE(at::equal(EndlessStream(all, 2, 0).take(0, 50), first));
  EXPECT_FALSE(at::equal(EndlessStream(all, 1, 1).take(0, 50), first));
}

RC_GTEST_PROP(EndlessStream, IsAddressedByPositionAlone, ()) {
  const auto size = *rc::gen::inRange<int64_t>(1, 30);
  const auto first = *rc::gen::inRange<int64_t>(0, 100);
  const auto count = *rc::gen::inRange<int64_t>(0, 70);
  const at::Tensor from_start = EndlessStream(at::arange(size), 9, 3).take(0, first + count);
  RC_ASSERT(at::equal(EndlessStream(at::arange(size), 9, 3).take(first, count),
                      from_start.slice(0, first)));
}

TEST(EndlessStream, RefusesAnEmptySet) {
  EXPECT_THAT(error_of([] { EndlessStream(indices({}), 0, 0); }),
              HasSubstr("a training set is empty"));
}

TEST(BatchSource, HoldsHalfOfEachWhateverTheBatchSize) {
  const BatchSource source(shared_set({40}), at::arange(0, 30), at::arange(30, 40),
                           with_law(Law::kHalfAndHalf));
  for (const int64_t size : {2, 6, 50}) {
    const Batch batch = source.batch(size, size);
    EXPECT_EQ(batch.is_reference.sum().item<int64_t>(), size / 2);
    EXPECT_TRUE(at::equal(batch.indices.ge(30), batch.is_reference));
    EXPECT_TRUE(at::equal(batch.image_numbers.remainder(2).eq(1), batch.is_reference));
  }
}

TEST(BatchSource, PassesThroughBothSetsAtTheirOwnPace) {
  const BatchSource source(shared_set({40}), at::arange(0, 30), at::arange(30, 40),
                           with_law(Law::kHalfAndHalf));
  const at::Tensor drawn = source.batch(0, 60).indices;
  const std::vector<int64_t> biased = to_vector(drawn.slice(0, 0, 60, 2));
  const std::vector<int64_t> reference = to_vector(drawn.slice(0, 1, 60, 2));
  EXPECT_EQ(std::set<int64_t>(biased.begin(), biased.end()).size(), 30u);
  for (int64_t index = 30; index < 40; ++index) EXPECT_EQ(std::ranges::count(reference, index), 3);
}

RC_GTEST_PROP(BatchSource, GivesTheSameImagesHoweverBatchesAreCut, ()) {
  const auto law = *rc::gen::element(Law::kHalfAndHalf, Law::kBiased, Law::kReference);
  const auto first = *rc::gen::inRange<int64_t>(0, 100);
  const auto count = *rc::gen::inRange<int64_t>(1, 40);
  const auto cut = *rc::gen::inRange<int64_t>(0, count);
  const BatchSource source(shared_set({20, 20}), at::arange(0, 23), at::arange(23, 40),
                           with_law(law));
  const Batch whole = source.batch(first, count);
  const Batch right = source.batch(first + cut, count - cut);
  RC_ASSERT(at::equal(whole.indices.slice(0, cut), right.indices));
  RC_ASSERT(at::equal(whole.images.slice(0, cut), right.images));
  RC_ASSERT(at::equal(whole.labels.slice(0, cut), right.labels));
  RC_ASSERT(at::equal(whole.is_reference.slice(0, cut), right.is_reference));
}

TEST(BatchSource, OneSetLawsUseThatSetAlone) {
  const auto set = shared_set({40});
  const Batch biased =
      BatchSource(set, at::arange(0, 30), indices({}), with_law(Law::kBiased)).batch(0, 30);
  EXPECT_EQ(biased.is_reference.sum().item<int64_t>(), 0);
  EXPECT_LT(biased.indices.max().item<int64_t>(), 30);
  const Batch reference =
      BatchSource(set, indices({}), at::arange(30, 40), with_law(Law::kReference)).batch(0, 30);
  EXPECT_EQ(reference.is_reference.sum().item<int64_t>(), 30);
  EXPECT_GE(reference.indices.min().item<int64_t>(), 30);
}

TEST(BatchSource, RefusesMissingSetsAndEmptyRanges) {
  const auto set = shared_set({40});
  EXPECT_THAT(
      error_of([&] { BatchSource(set, at::arange(40), indices({}), with_law(Law::kHalfAndHalf)); }),
      HasSubstr("the reference set is empty"));
  const BatchSource source(set, at::arange(40), indices({}), with_law(Law::kBiased));
  EXPECT_THAT(error_of([&] { source.batch(0, 0); }), HasSubstr("0 images from 0"));
  EXPECT_THAT(error_of([&] { source.batch(-1, 2); }), HasSubstr("2 images from -1"));
}

TEST(BatchSource, AugmentsByImageNumber) {
  ImageSet set = tiny_set({8});
  set.images =
      at::arange(8 * 3 * 8 * 8, at::kLong).mul(37).remainder(256).to(at::kByte).view({8, 3, 8, 8});
  BatchSource::Options options = with_law(Law::kBiased);
  options.augment.probability = 0.5;
  const BatchSource source(std::make_shared<ImageSet>(set), at::arange(8), indices({}), options);
  const Batch whole = source.batch(0, 12);
  EXPECT_EQ(whole.augment_labels.sizes(), at::IntArrayRef({12, 9}));
  EXPECT_FALSE(at::equal(whole.images, set.normalised(whole.indices)));
  const Batch part = source.batch(5, 7);
  EXPECT_TRUE(at::equal(part.images, whole.images.slice(0, 5)));
  EXPECT_TRUE(at::equal(part.augment_labels, whole.augment_labels.slice(0, 5)));
}

}  // namespace
}  // namespace equipoise::data
