#include "reweight/label_diagnostics.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "data/label_noise.h"
#include "diffusion/label_fixture.h"

namespace equipoise::reweight {
namespace {

using diffusion::FixedPosterior;
using diffusion::GaussianMixture;
using diffusion::matrix_of;
using diffusion::PosteriorOf;
using testing::ElementsAre;

TEST(ProbabilityBelow, CountsPairsAndHalvesTies) {
  const at::Tensor low = at::tensor({0.1, 0.5, 0.5}, at::kDouble);
  const at::Tensor high = at::tensor({0.5, 0.9}, at::kDouble);
  // Of six pairs: 0.1 below both, each 0.5 ties with 0.5 and is below 0.9.
  EXPECT_NEAR(probability_below(low, high), (2 + 2 * 0.5 + 2) / 6, 1e-12);
  EXPECT_NEAR(probability_below(low, high) + probability_below(high, low), 1, 1e-12);
  EXPECT_TRUE(std::isnan(probability_below(low, at::empty({0}, at::kDouble))));
}

/// 1,000 images of N(-2, 1/4) and as many of N(2, 1/4), 30 % of their labels wrong.
struct TwoModes {
  at::Tensor truth = at::arange(2000, at::kLong).remainder(2);
  at::Tensor images = random_normal(1, Purpose::kToyData, at::arange(2000), {1}) / 2 +
                      (4 * truth.to(at::kFloat) - 2).unsqueeze(1);
  at::Tensor S = data::symmetric_noise(2, 0.3);
  at::Tensor shown = data::noisy_labels(truth, at::arange(2000), S, "exact", 4);
  std::shared_ptr<const GaussianMixture> law = std::make_shared<const GaussianMixture>(
      std::vector<GaussianMixture::Component>{{0.5, {-2}, 0.5}, {0.5, {2}, 0.5}});
};

TEST(LabelDiagnostics, AnExactPosteriorFindsWrongLabelsUntilNoiseHidesThem) {
  const TwoModes toy;
  const diffusion::PosteriorLabelWeights weights(
      {.transition = toy.S,
       .posterior = std::make_shared<diffusion::MixturePosterior>(toy.law, 2)});
  const auto levels = diagnose_label_weights(weights, toy.images, toy.truth, toy.shown,
                                             {.sigmas = {0.1, 3, 1000}, .seed = 2});
  EXPECT_GT(levels[0].accuracy, 0.999);
  EXPECT_GT(levels[0].wrong_label_auroc, 0.999);
  EXPECT_LT(levels[0].extra_calls, 0.05 + 0.3) << "only wrong labels need the other class";
  EXPECT_EQ(levels[0].own_weight_right.back() + levels[0].own_weight_wrong.front(), 2000);
  EXPECT_GT(levels[0].accuracy, levels[1].accuracy);
  EXPECT_GT(levels[1].wrong_label_auroc, levels[2].wrong_label_auroc);
  // Nothing is to be seen: every label is believed with weight 0.7. 700 of 1,000 are right exactly.
  EXPECT_NEAR(levels[2].accuracy, 0.7, 1e-9);
  EXPECT_NEAR(levels[2].extra_calls, 1, 1e-9);
  for (const LabelLevel& level : levels) EXPECT_EQ(level.clamped_share, 0);
}

TEST(LabelDiagnostics, CountsContradictionsBetweenClassifierAndMatrix) {
  const at::Tensor S = data::symmetric_noise(2, 0.25);
  const auto clamped_share = [&](double surest) {
    const diffusion::PosteriorLabelWeights weights(
        {.transition = S,
         .posterior = std::make_shared<FixedPosterior>(std::vector<double>{surest, 1 - surest}),
         .posterior_of = PosteriorOf::kShownLabel});
    return diagnose_label_weights(weights, at::zeros({4, 1}), at::tensor({0L, 0L, 1L, 1L}),
                                  at::tensor({0L, 1L, 0L, 1L}), {.sigmas = {1.0}})
        .front()
        .clamped_share;
  };
  EXPECT_EQ(clamped_share(0.7), 0);
  EXPECT_EQ(clamped_share(0.9), 1) << "no class shows one label nine times in ten";
}

TEST(LabelDiagnostics, WriteWhatCannotBeMeasuredAsNull) {
  const diffusion::PosteriorLabelWeights weights(
      {.transition = at::eye(2, at::kDouble),
       .posterior = std::make_shared<FixedPosterior>(std::vector<double>{0.5, 0.5})});
  const at::Tensor labels = at::tensor({0L, 1L});
  const auto json = to_json(
      diagnose_label_weights(weights, at::zeros({2, 1}), labels, labels, {.sigmas = {1.0}}));
  EXPECT_TRUE(json[0].at("wrong_label_auroc").is_null());
  EXPECT_EQ(json[0].at("accuracy"), 1);
  EXPECT_THAT(json[0].at("own_weight_right").get<std::vector<int64_t>>(),
              ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 2));
}

}  // namespace
}  // namespace equipoise::reweight
