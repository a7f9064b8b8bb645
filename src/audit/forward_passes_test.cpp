// What every audit says that it costs, held against what it costs.
#include <atomic>

#include <gtest/gtest.h>

#include "audit/elbo_classifier.h"
#include "audit/lipschitz.h"
#include "audit/score_decomposition.h"
#include "audit/score_similarity.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

constexpr int64_t kNumImages = 5;

/// Counts the images it is asked about.
class CountingDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& /*sigma*/,
                     const diffusion::Conditions& conditions) const override {
    num_images_ += x.size(0);
    return x / 2 + conditions.class_labels.to(x.scalar_type());
  }
  /// Since the last time, of one of the audited images.
  int64_t passes() const {
    const int64_t all = num_images_.exchange(0);
    EXPECT_EQ(all % kNumImages, 0);
    return all / kNumImages;
  }

 private:
  mutable std::atomic<int64_t> num_images_ = 0;
};

struct ForwardPasses : testing::Test {
  CountingDenoiser denoiser;
  at::Tensor images = random_normal(2, Purpose::kToyData, at::arange(kNumImages), {3});
  std::vector<Prompt> prompts;
  Prompt neutral{"neutral", at::zeros({3})};

  ForwardPasses() {
    for (int64_t k = 0; k < 3; ++k) prompts.push_back({std::to_string(k), at::eye(3)[k]});
  }
  template <class Options>
  static Options options() {
    Options options;
    options.steps = {50, 300};
    options.num_draws = 2;
    return options;
  }
};

TEST_F(ForwardPasses, OfADecomposition) {
  const auto settings = options<DecompositionOptions>();
  decompose_scores(denoiser, images, prompts, neutral, settings);
  EXPECT_EQ(denoiser.passes(), 16);
  EXPECT_EQ(decomposition_passes(3, settings), 16);
}

TEST_F(ForwardPasses, OfTheElboClassifier) {
  auto settings = options<ElboOptions>();
  settings.num_times = 7;
  classify_by_elbo(denoiser, images, prompts, settings);
  EXPECT_EQ(denoiser.passes(), 21);
  EXPECT_EQ(elbo_passes(3, settings), 21);
}

TEST_F(ForwardPasses, OfASimilarity) {
  const auto settings = options<ProbeOptions>();
  compare_scores(denoiser, images, prompts, neutral, settings);
  EXPECT_EQ(denoiser.passes(), 8);
  EXPECT_EQ(similarity_passes(3, settings), 8);
}

TEST_F(ForwardPasses, OfALipschitzEstimate) {
  auto settings = options<LipschitzOptions>();
  settings.power_iterations = 4;
  estimate_lipschitz(denoiser, images, prompts, settings);
  EXPECT_EQ(denoiser.passes(), 84);
  EXPECT_EQ(lipschitz_passes(3, settings), 84);
}

TEST_F(ForwardPasses, ElboDrawsAreTheLeastThatTakeNoFewer) {
  EXPECT_EQ(elbo_draws_for(15, 2), 8);
  EXPECT_EQ(elbo_draws_for(16, 2), 8);
  EXPECT_EQ(elbo_draws_for(55, 10), 6);
  EXPECT_EQ(elbo_draws_for(3, 10), 2) << "one draw has no spread";
}

}  // namespace
}  // namespace equipoise::audit
