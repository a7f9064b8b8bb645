#include "samplers/sample_images.h"

#include <mutex>

#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/mixture_law.h"

namespace equipoise::samplers {
namespace {

std::unique_ptr<Sampler> heun(int64_t steps = 5) {
  return SamplerRegistry::instance().find("heun").make.make({{"steps", steps}});
}

SampleRequest request_for(int64_t count) {
  return {.seeds = at::arange(count),
          .item_shape = {2},
          .seed_base = 3,
          .class_labels = {},
          .latents = {}};
}

at::Tensor sample(const diffusion::Denoiser& denoiser, const SampleRequest& request,
                  const SampleOptions& options) {
  Progress progress;
  return sample_images(denoiser, *heun(), request, options, progress).images;
}

/// A float32 matrix product, whose rounding depends on the number of rows; remembers those it saw.
class MatrixDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& c) const override {
    const std::lock_guard lock(mutex_);
    row_counts.push_back(x.size(0));
    const at::Tensor mean =
        x.to(at::kFloat).flatten(1).matmul(weights_) / (1 + sigma.unsqueeze(1)).to(at::kFloat);
    return c.class_labels.defined() ? mean + c.class_labels.sum(1, true) : mean;
  }
  mutable std::vector<int64_t> row_counts;

 private:
  at::Tensor weights_ = at::tensor({0.5f, 0.1f, -0.2f, 0.7f}).reshape({2, 2});
  mutable std::mutex mutex_;
};

TEST(SampleImages, BitsDoNotDependOnBatchOrThreads) {
  const MatrixDenoiser denoiser;
  const SampleRequest request = request_for(70);
  const at::Tensor expected = sample(denoiser, request, {.batch_size = 1, .num_threads = 1});
  EXPECT_EQ(expected.sizes(), at::IntArrayRef({70, 2}));
  EXPECT_EQ(expected.scalar_type(), at::kFloat);
  for (const int64_t batch_size : {16, 33, 1000}) {
    for (const int64_t num_threads : {1, 3}) {
      const SampleOptions options{.batch_size = batch_size, .num_threads = num_threads};
      EXPECT_TRUE(at::equal(sample(denoiser, request, options), expected));
    }
  }
}

TEST(SampleImages, EveryNetworkCallHasTheChunkSize) {
  const MatrixDenoiser denoiser;
  sample(denoiser, request_for(37), {.batch_size = 32, .chunk_size = 16});
  ASSERT_FALSE(denoiser.row_counts.empty());
  for (const int64_t rows : denoiser.row_counts) EXPECT_EQ(rows, 16);
}

TEST(SampleImages, AnImageBelongsToItsSeed) {
  const auto law = diffusion::two_mode_laws().biased;
  SampleRequest request = request_for(20);
  const at::Tensor all = sample(*law, request, {});
  request.seeds = at::tensor({19, 4}, at::kLong);
  EXPECT_TRUE(at::equal(sample(*law, request, {}), all.index_select(0, request.seeds)));
  request.seed_base = 4;
  EXPECT_FALSE(at::equal(sample(*law, request, {}), all.index_select(0, request.seeds)));
}

TEST(SampleImages, GivenLatentsReplaceDrawnOnes) {
  const auto law = diffusion::two_mode_laws().biased;
  SampleRequest request = request_for(3);
  const at::Tensor drawn = sample(*law, request, {});
  request.latents = random_normal(3, Purpose::kLatent, request.seeds, {2});
  EXPECT_TRUE(at::equal(sample(*law, request, {}), drawn));
  request.latents = at::zeros({3, 2});
  EXPECT_FALSE(at::equal(sample(*law, request, {}), drawn));
}

TEST(SampleImages, LabelsFollowTheirImages) {
  const MatrixDenoiser denoiser;
  SampleRequest request = request_for(40);
  request.class_labels = at::zeros({40, 3});
  const at::Tensor unlabelled = sample(denoiser, request, {});
  request.class_labels[33][1] = 1;
  const at::Tensor labelled = sample(denoiser, request, {});
  const at::Tensor changed = (labelled != unlabelled).any(1);
  EXPECT_EQ(changed.sum().item<int64_t>(), 1);
  EXPECT_TRUE(changed[33].item<bool>());
}

TEST(SampleImages, RefusesShapesThatDisagree) {
  const auto law = diffusion::two_mode_laws().biased;
  SampleRequest request = request_for(3);
  request.latents = at::zeros({3, 5});
  EXPECT_THROW(sample(*law, request, {}), UsageError);
  request = request_for(3);
  request.class_labels = at::zeros({2, 4});
  EXPECT_THROW(sample(*law, request, {}), UsageError);
  EXPECT_THROW(sample(*law, request_for(3), {.batch_size = 0}), UsageError);
}

TEST(SampleImages, NoSeedsGiveNoImages) {
  const auto law = diffusion::two_mode_laws().biased;
  EXPECT_EQ(sample(*law, request_for(0), {}).sizes(), at::IntArrayRef({0, 2}));
}

class FailingDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor&, const at::Tensor&,
                     const diffusion::Conditions&) const override {
    throw NumericError(
        {.where = "network", .what = "broken", .got = "", .expected = "", .hint = ""});
  }
};

TEST(SampleImages, AWorkersFailureReachesTheCaller) {
  EXPECT_THROW(sample(FailingDenoiser(), request_for(100), {.batch_size = 16, .num_threads = 3}),
               NumericError);
}

/// Asks to stop once `limit` images are done.
class ImpatientProgress : public Progress {
 public:
  explicit ImpatientProgress(int64_t limit) : limit_(limit) {}
  void update(int64_t done, const std::string&) override { done_ = done; }
  bool stop_requested() const override { return done_ >= limit_; }

 private:
  int64_t limit_;
  int64_t done_ = 0;
};

TEST(SampleImages, StoppingKeepsTheFirstImages) {
  const auto law = diffusion::two_mode_laws().biased;
  ImpatientProgress progress(32);
  const at::Tensor some =
      sample_images(*law, *heun(), request_for(100), {.batch_size = 16}, progress).images;
  ASSERT_EQ(some.size(0), 32);
  EXPECT_TRUE(at::equal(some, sample(*law, request_for(100), {}).slice(0, 0, 32)));
}

TEST(SampleImages, CountsDenoiserCalls) {
  const auto law = diffusion::two_mode_laws().biased;
  Progress progress;
  const SampleResult result = sample_images(*law, *heun(7), request_for(20), {}, progress);
  EXPECT_TRUE(at::equal(result.total_calls, at::full({20}, 13, at::kLong)));
  EXPECT_TRUE(at::equal(result.last_calls, result.total_calls));
  EXPECT_EQ(result.occupancy, 1);
}

TEST(ToUint8, ClipsAndTruncates) {
  const at::Tensor pixels = to_uint8(at::tensor({-2.0f, -1.0f, 0.0f, 0.5f, 0.9999f, 3.0f}));
  EXPECT_TRUE(at::equal(pixels, at::tensor({0, 0, 128, 191, 255, 255}, at::kByte)));
}

}  // namespace
}  // namespace equipoise::samplers
