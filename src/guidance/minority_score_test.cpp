#include "guidance/minority_score.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"

namespace equipoise::guidance {
namespace {

using diffusion::GaussianMixture;

double sigma_of(double alpha_bar) {
  return std::sqrt((1 - alpha_bar) / alpha_bar);
}

at::Tensor scores_of(const diffusion::Denoiser& denoiser, const at::Tensor& points,
                     const MinorityScoreConfig& config, int64_t num_workers = 1) {
  Progress progress;
  return minority_scores(denoiser, points, squared_error(), config, 7, num_workers, progress);
}

// Data N(0.5, 1.3^2), abar = 0.3: E(x_0 - x)^2 = (x_0 - m)^2 (1 - k sqrt(abar))^2 + k^2 (1 - abar),
// 0.41170 at 0.5 and 2.51384 at 3 and -2. 20,000 draws each: within 2 % (six standard errors).
TEST(MinorityScore, OfAGaussianIsItsClosedForm) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0.5}, 1.3);
  const at::Tensor points = at::tensor({0.5f, 3.0f, -2.0f}).unsqueeze(1);
  const at::Tensor scores =
      scores_of(law, points, {.sigma = sigma_of(0.3), .draws = 20000, .clip = false});
  EXPECT_NEAR(scores[0].item<double>(), 0.41170, 0.02 * 0.41170);
  EXPECT_NEAR(scores[1].item<double>(), 2.51384, 0.02 * 2.51384);
  EXPECT_NEAR(scores[2].item<double>(), 2.51384, 0.02 * 2.51384);
}

// 0.9 N(-2, 0.25) + 0.1 N(2, 0.25): mean scores of both modes; the contrast needs high noise. 2,000
// points of each mode and 5 draws: within 10 %.
TEST(MinorityScore, IsHigherInTheRareMode) {
  const GaussianMixture law({{0.9, {-2}, 0.5}, {0.1, {2}, 0.5}});
  struct Case {
    double alpha_bar, majority, minority;
  };
  for (const Case& c : {Case{0.024, 0.45, 12.2}, Case{0.1, 0.51, 9.1}, Case{0.5, 0.27, 1.12}}) {
    const auto mean_at = [&](double mode) {
      const at::Tensor points =
          mode + 0.5 * random_normal(1, Purpose::kToyData, at::arange(2000), {1});
      return scores_of(law, points, {.sigma = sigma_of(c.alpha_bar), .clip = false})
          .mean()
          .item<double>();
    };
    EXPECT_NEAR(mean_at(-2), c.majority, 0.1 * c.majority) << c.alpha_bar;
    EXPECT_NEAR(mean_at(2), c.minority, 0.1 * c.minority) << c.alpha_bar;
  }
}

/// A denoiser of no law: any network will do.
class BentDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions&) const override {
    return (2 * x + x.flip(1)).tanh() * 0.8 + 0.3 / (1 + sigma.to(x.options()).unsqueeze(1));
  }
};

// |x_0 - D|^2 = sigma^2 |eps - n|^2 for each draw, whatever the model.
TEST(MinorityScore, IsTheErrorOfTheNoiseEstimate) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0.2, -0.1}, 0.7);
  const BentDenoiser bent;
  const double sigma = 1.7;
  const at::Tensor points = at::tensor({0.4f, 1.0f, -2.0f, 0.1f}).reshape({2, 2});
  for (const diffusion::Denoiser* denoiser : {static_cast<const diffusion::Denoiser*>(&law),
                                              static_cast<const diffusion::Denoiser*>(&bent)}) {
    constexpr int kDraws = 3;
    const at::Tensor scores =
        scores_of(*denoiser, points, {.sigma = sigma, .draws = kDraws, .clip = false});
    at::Tensor expected = at::zeros({2}, at::kDouble);
    for (int draw = 0; draw < kDraws; ++draw) {
      const at::Tensor noise =
          random_normal(7, Purpose::kEvaluation, at::arange(2), {2}, static_cast<uint32_t>(draw));
      const at::Tensor noisy = points + sigma * noise;
      const at::Tensor estimate =
          (noisy - denoiser->denoise(noisy, at::full({2}, sigma, at::kDouble), {})) / sigma;
      expected += sigma * sigma * (estimate - noise).square().sum(1) / kDraws;
    }
    EXPECT_LT((scores - expected).abs().max().item<double>(), 1e-5);
    EXPECT_GT(expected.min().item<double>(), 0.01);
  }
}

// A model of the point itself finds the noise it was shown.
TEST(MinorityScore, OfTheTrueNoiseIsZero) {
  const at::Tensor points = at::tensor({3.0f, -0.25f, 3.0f, -0.25f}).reshape({2, 2});
  const GaussianMixture point = diffusion::isotropic_gaussian({3, -0.25}, 0);
  const at::Tensor scores = scores_of(point, points, {.sigma = 6.37, .clip = false});
  EXPECT_LT(scores.abs().max().item<double>(), 1e-10);
  const at::Tensor clipped = scores_of(point, points, {.sigma = 6.37});
  EXPECT_LT((clipped - 4).abs().max().item<double>(), 1e-5) << "restored 3 is kept at 1";
}

TEST(MinorityScore, DoesNotDependOnWorkersOrOnTheImagesBeside) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0.2, -0.1}, 0.7);
  const at::Tensor points = random_normal(2, Purpose::kToyData, at::arange(50), {2});
  const at::Tensor alone = scores_of(law, points, {});
  EXPECT_TRUE(at::equal(scores_of(law, points, {}, 3), alone));
  EXPECT_TRUE(at::equal(scores_of(law, points.slice(0, 0, 7), {}), alone.slice(0, 0, 7)));
}

TEST(MinorityBins, AreOfEqualSizeAndRiseWithTheScore) {
  for (const auto& [count, num_bins] : {std::pair<int64_t, int64_t>{1000, 10}, {5000, 100}}) {
    const at::Tensor scores = random_permutation({3, Purpose::kToyData}, count).to(at::kDouble);
    const MinorityBins bins = minority_bins(scores, num_bins);
    for (const int64_t size : bins.sizes) EXPECT_EQ(size, count / num_bins);
    const at::Tensor order = scores.argsort();
    EXPECT_GE(bins.labels.index_select(0, order).diff().min().item<int64_t>(), 0);
    EXPECT_EQ(bins.labels[scores.argmax()].item<int64_t>(), num_bins - 1);
  }
}

TEST(MinorityBins, DifferByOneAtMostWhereNothingDivides) {
  for (const auto& [count, num_bins] : {std::pair<int64_t, int64_t>{1037, 10}, {1000, 7}}) {
    const at::Tensor scores = random_permutation({4, Purpose::kToyData}, count).to(at::kDouble);
    for (const int64_t size : minority_bins(scores, num_bins).sizes) {
      EXPECT_GE(size, count / num_bins);
      EXPECT_LE(size, count / num_bins + 1);
    }
  }
}

TEST(MinorityBins, TheLargestScoreIsInTheLastBinEvenAmongEquals) {
  const MinorityBins bins = minority_bins(at::tensor({1.0, 2.0, 2.0, 2.0}, at::kDouble), 4);
  EXPECT_EQ(bins.labels[3].item<int64_t>(), 3);
  EXPECT_EQ(bins.labels[0].item<int64_t>(), 0);
  EXPECT_THROW(minority_bins(at::ones({3}, at::kDouble), 4), UsageError);
  EXPECT_THROW(minority_bins(at::ones({3}, at::kDouble), 1), UsageError);
}

}  // namespace
}  // namespace equipoise::guidance
