#include "metrics/features.h"

#include <atomic>
#include <string>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::metrics {
namespace {

/// Features: mean and largest pixel; logits: these two. Fails on an image whose first pixel is
/// white.
class PixelSummary : public nets::ClassifierNetwork {
 public:
  at::Tensor features(const at::Tensor& images) override {
    if (images.flatten(1).select(1, 0).eq(1).any().item<bool>())
      throw DataError(
          {.where = "image", .what = "white first pixel", .got = "", .expected = "", .hint = ""});
    saw_gradients_ = saw_gradients_ || at::GradMode::is_enabled();
    return at::stack({images.mean({1, 2, 3}), std::get<0>(images.flatten(1).max(1))}, 1);
  }
  at::Tensor logits_of_features(const at::Tensor& features) override { return features; }
  int64_t feature_dim() const override { return 2; }
  bool saw_gradients() const { return saw_gradients_; }

 private:
  std::atomic<bool> saw_gradients_ = false;
};

at::Tensor test_images(int64_t num_images) {
  const at::Tensor uniform =
      random_uniform(3, Purpose::kToyData, at::arange(num_images, at::kLong), {2, 5, 5});
  return (uniform * 250).floor().to(at::kByte);
}

TEST(ExtractFeatures, ReadsPixelsFromMinusOneToOne) {
  PixelSummary summary;
  at::Tensor images = at::zeros({1, 1, 2, 2}, at::kByte);
  images[0][0][1][1] = 255;
  const Features result = extract_features(summary, images);
  EXPECT_FLOAT_EQ(result.features[0][0].item<float>(), -0.5f);
  EXPECT_FLOAT_EQ(result.features[0][1].item<float>(), 1.0f);
  EXPECT_EQ(result.predicted_groups().item<int64_t>(), 1);
}

TEST(ExtractFeatures, DoesNotDependOnTheNumberOfWorkers) {
  PixelSummary summary;
  const at::Tensor images = test_images(150);
  const Features alone = extract_features(summary, images);
  const Features together = extract_features(summary, images, {.num_workers = 3});
  EXPECT_TRUE(at::equal(alone.features, together.features));
  EXPECT_TRUE(at::allclose(alone.features, summary.features(images.to(at::kFloat) / 127.5 - 1)));
}

TEST(ExtractFeatures, KeepsNoGradients) {
  PixelSummary summary;
  extract_features(summary, test_images(3), {.num_workers = 2});
  EXPECT_FALSE(summary.saw_gradients());
}

TEST(ExtractFeatures, ReportsEveryImageDone) {
  struct Counter : Progress {
    void update(int64_t done, const std::string&) override { last = done; }
    int64_t last = 0;
  } counter;
  PixelSummary summary;
  extract_features(summary, test_images(130), {.num_workers = 2, .progress = &counter});
  EXPECT_EQ(counter.last, 130);
}

TEST(ExtractFeatures, PassesOnAClassifiersError) {
  PixelSummary summary;
  at::Tensor images = test_images(200);
  images[170][0][0][0] = 255;
  EXPECT_THROW(extract_features(summary, images, {.num_workers = 2}), DataError);
}

TEST(ExtractFeatures, RefusesFloatsAndEmptySets) {
  PixelSummary summary;
  EXPECT_THROW(extract_features(summary, at::zeros({2, 1, 4, 4})), UsageError);
  EXPECT_THROW(extract_features(summary, at::zeros({0, 1, 4, 4}, at::kByte)), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
