#include "metrics/nearest_reference.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {
namespace {

/// Noise pixels [num, 64] uint8.
at::Tensor noise_images(int64_t num_images, uint64_t seed) {
  const at::Tensor uniform =
      random_uniform(seed, Purpose::kToyData, at::arange(num_images, at::kLong), {64});
  return (uniform * 256).floor().clamp(0, 255).to(at::kByte);
}

NearestReference measure(const at::Tensor& samples, const at::Tensor& training,
                         const at::Tensor& heldout) {
  return compare_nearest(nearest_distances(samples, training, {.k = 1}),
                         nearest_distances(heldout, training, {.k = 1}));
}

TEST(NearestReference, CallsNewImagesNew) {
  const auto measured = measure(noise_images(400, 1), noise_images(300, 2), noise_images(400, 3));
  EXPECT_NEAR(measured.ratio, 1, 0.03);
  EXPECT_TRUE(contains(measured.share_closer_than_heldout_p05, 0.05));
  EXPECT_EQ(measured.share_exact, 0);
}

TEST(NearestReference, SeesCopiesAndNearCopies) {
  const at::Tensor training = noise_images(300, 2);
  const at::Tensor copies = training.slice(0, 0, 100);
  const at::Tensor near_copies = training.slice(0, 100, 200).bitwise_xor(1);
  const at::Tensor samples = at::cat({copies, near_copies, noise_images(100, 4)});
  const auto measured = measure(samples, training, noise_images(400, 3));
  EXPECT_NEAR(measured.share_exact, 1.0 / 3, 1e-12);
  EXPECT_GT(measured.share_closer_than_heldout_p05.low, 0.5);
  EXPECT_LT(measured.ratio, 0.1);
}

TEST(NearestReference, KeepsItsMediansInPixels) {
  const at::Tensor training = at::zeros({3, 4}, at::kByte);
  const auto measured =
      measure(at::full({5, 4}, 2, at::kByte), training, at::full({5, 4}, 8, at::kByte));
  EXPECT_DOUBLE_EQ(measured.median, 4);  // sqrt(4 * 2^2)
  EXPECT_DOUBLE_EQ(measured.heldout_median, 16);
  EXPECT_DOUBLE_EQ(measured.ratio, 0.25);
}

}  // namespace
}  // namespace equipoise::metrics
