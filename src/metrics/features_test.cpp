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

/// Features: means of the four quarters, a channel at a time; logits: the first two.
class QuarterMeans : public nets::FeatureExtractor {
 public:
  explicit QuarterMeans(bool has_logits)
      : FeatureExtractor({.name = "quarter means",
                          .num_features = 12,
                          .input_size = 5,
                          .mean = {0, 0, 0},
                          .deviation = {255, 255, 255}}),
        has_logits_(has_logits) {}
  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    return at::adaptive_avg_pool2d(inputs, {2, 2}).flatten(1);
  }
  at::Tensor logits_of_features(const at::Tensor& features) const override {
    return features.slice(1, 0, 2);
  }
  bool has_logits() const override { return has_logits_; }

 private:
  bool has_logits_;
};

at::Tensor test_images(int64_t num_images, int64_t channels = 2) {
  const at::Tensor uniform =
      random_uniform(3, Purpose::kToyData, at::arange(num_images, at::kLong), {channels, 5, 5});
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

TEST(ExtractFeatures, ReadsPublishedExtractorsToo) {
  const QuarterMeans extractor(/*has_logits=*/true);
  const at::Tensor images = test_images(150, /*channels=*/3);
  const Features alone = extract_features(feature_function(extractor), images);
  EXPECT_TRUE(at::allclose(alone.features, extractor.features(images)));
  EXPECT_TRUE(at::equal(alone.logits, alone.features.slice(1, 0, 2)));
  const Features together =
      extract_features(feature_function(extractor), images, {.num_workers = 3});
  EXPECT_TRUE(at::equal(alone.features, together.features));
  EXPECT_TRUE(at::equal(alone.logits, together.logits));
}

TEST(ExtractFeatures, HasNoLogitsOfANetworkWithoutClasses) {
  const QuarterMeans extractor(/*has_logits=*/false);
  EXPECT_FALSE(extract_features(feature_function(extractor), test_images(3, 1)).logits.defined());
}

TEST(ExtractMoments, AgreeWithTheFeaturesOwnForAnyNumberOfWorkers) {
  const QuarterMeans extractor(/*has_logits=*/false);
  const auto function = feature_function(extractor);
  const at::Tensor images = test_images(300, 3);
  const FeatureMoments alone = extract_moments(function, images);
  const FeatureMoments together = extract_moments(function, images, {.num_workers = 3});
  EXPECT_EQ(together.count(), 300);
  EXPECT_TRUE(at::equal(alone.mean(), together.mean()));
  EXPECT_TRUE(at::equal(alone.covariance(), together.covariance()));
  const FeatureMoments whole = moments_of(extract_features(function, images).features);
  EXPECT_TRUE(at::allclose(alone.mean(), whole.mean(), 1e-12, 0));
  EXPECT_TRUE(at::allclose(alone.covariance(), whole.covariance(), 1e-10, 1e-16));
}

TEST(ExtractMoments, PassOnAnExtractorsError) {
  PixelSummary summary;
  at::Tensor images = test_images(200);
  images[70][0][0][0] = 255;
  EXPECT_THROW(extract_moments(feature_function(summary), images, {.num_workers = 2}), DataError);
}

TEST(ExtractFeatures, RefusesFloatsAndEmptySets) {
  PixelSummary summary;
  EXPECT_THROW(extract_features(summary, at::zeros({2, 1, 4, 4})), UsageError);
  EXPECT_THROW(extract_features(summary, at::zeros({0, 1, 4, 4}, at::kByte)), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
