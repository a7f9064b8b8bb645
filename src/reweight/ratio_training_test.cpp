#include "reweight/ratio_training.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/discriminator_fixture.h"
#include "diffusion/vp_time.h"

namespace equipoise::reweight {
namespace {

using diffusion::LineDiscriminator;

/// Reference points from N(mean, 1) and biased ones from N(other, 1), alternating; numbers from
/// `first` on.
RatioItems line_items(double reference_mean, double biased_mean, int64_t count, int64_t first) {
  RatioItems items;
  items.image_numbers = at::arange(first, first + count, at::kLong);
  items.labels = (items.image_numbers % 2).to(at::kFloat);
  const at::Tensor means = items.labels * (reference_mean - biased_mean) + biased_mean;
  items.clean = random_normal(1, Purpose::kToyData, items.image_numbers, {1}) + means.unsqueeze(1);
  return items;
}

/// Logistic regression on (a z, a^2), fresh points every step.
std::shared_ptr<LineDiscriminator> trained_line(double reference_mean, double biased_mean) {
  const auto network = std::make_shared<LineDiscriminator>(0, 0);
  torch::optim::Adam optimizer(network->parameters(), torch::optim::AdamOptions(0.05));
  constexpr int64_t kSteps = 500, kBatch = 1000;
  for (int64_t step = 0; step < kSteps; ++step) {
    // Falling steps average the noise out.
    auto& options = static_cast<torch::optim::AdamOptions&>(optimizer.param_groups()[0].options());
    options.lr(0.05 * (1 - static_cast<double>(step) / kSteps));
    optimizer.zero_grad();
    ratio_losses(*network, line_items(reference_mean, biased_mean, kBatch, step * kBatch), 2, {})
        .mean()
        .backward();
    optimizer.step();
  }
  return network;
}

TEST(RatioTraining, LogisticRegressionLearnsTheRatioOfTwoGaussians) {
  const auto network = trained_line(1, -1);
  EXPECT_NEAR(network->slope(), 2, 0.06);
  EXPECT_NEAR(network->offset(), 0, 0.06);
}

TEST(RatioTraining, LogisticRegressionLearnsTheRatioOfAShiftedModel) {
  const auto network = trained_line(0, 1);
  EXPECT_NEAR(network->slope(), -1, 0.05);
  EXPECT_NEAR(network->offset(), 0.5, 0.05);
}

TEST(RatioTraining, SwappedLabelsNegateTheGradient) {
  const RatioItems items = line_items(1, -1, 200, 0);
  RatioItems swapped = items;
  swapped.labels = 1 - items.labels;
  LineDiscriminator network(0, 0);
  const RatioLaw law;
  const auto gradient = [&](const RatioItems& some) {
    const at::Tensor loss = ratio_losses(network, some, 2, law).sum();
    return torch::autograd::grad({loss}, network.parameters()).front().item<double>();
  };
  EXPECT_NEAR(gradient(items), -gradient(swapped), 1e-3);
  EXPECT_LT(gradient(items), -1);
}

TEST(RatioTraining, NoisedInputHasTheVpMoments) {
  const at::Tensor clean = at::full({40000, 1}, 2.0f);
  const RatioInput input =
      make_ratio_input(clean, at::arange(40000), 3, {.time_law = "uniform_time"});
  const at::Tensor scale = (-0.5 * diffusion::vp_exponent(input.time)).exp();
  const at::Tensor noise = (input.z.flatten() - 2 * scale) / (1 - scale.square()).sqrt();
  EXPECT_NEAR(noise.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(noise.std().item<double>(), 1, 0.02);
  EXPECT_NEAR(input.time.mean().item<double>(), 0.5, 0.01);
}

TEST(RatioTraining, NoiseLevelsCanFollowTheDenoisersLaw) {
  const at::Tensor clean = at::zeros({40000, 1});
  const RatioLaw law{.time_law = "denoiser", .denoiser_noise = {.p_mean = 0.6, .p_std = 0.5}};
  const RatioInput input = make_ratio_input(clean, at::arange(40000), 3, law);
  const at::Tensor log_sigma = diffusion::vp_sigma(input.time.to(at::kDouble)).log();
  // Standard errors: 0.0025 of the mean, 0.0018 of the deviation.
  EXPECT_NEAR(log_sigma.mean().item<double>(), 0.6, 0.015);
  EXPECT_NEAR(log_sigma.std().item<double>(), 0.5, 0.01);
}

TEST(RatioTraining, TimeIndependentInputIsTheCleanImage) {
  const at::Tensor clean = at::full({5, 3}, 0.5f);
  const RatioInput input = make_ratio_input(clean, at::arange(5), 3, {.time_dependent = false});
  EXPECT_TRUE(at::equal(input.z, clean));
  EXPECT_EQ(input.time.abs().max().item<double>(), 0);
}

TEST(RatioTraining, InputsDependOnTheImageNumberAlone) {
  const RatioLaw law;
  for (const RatioDraw draw : {RatioDraw::kTraining, RatioDraw::kHeldOut}) {
    const at::Tensor clean = at::zeros({8, 2});
    const RatioInput whole = make_ratio_input(clean, at::arange(8), 3, law, draw);
    const RatioInput tail = make_ratio_input(clean.slice(0, 6), at::arange(6, 8), 3, law, draw);
    EXPECT_TRUE(at::equal(whole.z.slice(0, 6), tail.z));
    EXPECT_TRUE(at::equal(whole.time.slice(0, 6), tail.time));
  }
}

TEST(RatioTraining, CertainLogitsDoNotSaturate) {
  LineDiscriminator network(0, 1000);
  RatioItems items{.clean = at::zeros({1, 1}),
                   .labels = at::zeros({1}),
                   .image_numbers = at::zeros({1}, at::kLong)};
  const at::Tensor loss = ratio_losses(network, items, 2, {.time_dependent = false});
  EXPECT_NEAR(loss.item<double>(), 1000, 1e-3);
}

TEST(HeldOutBce, CountsBothSetsAlike) {
  // Nine biased points and one reference point; the logit is +1 for all.
  LineDiscriminator network(0, 1);
  const at::Tensor labels =
      at::tensor({0.0f, 0.0f, 0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f});
  const double bce = heldout_bce(network, at::zeros({10, 1}), labels, 1, {.time_dependent = false});
  EXPECT_NEAR(bce, 0.5 * std::log1p(std::exp(-1.0)) + 0.5 * std::log1p(std::exp(1.0)), 1e-6);
}

TEST(HeldOutBce, IsLowestForTheExactRatio) {
  const RatioItems items = line_items(1, -1, 4000, 0);
  const auto bce_of = [&](double slope) {
    LineDiscriminator network(slope, 0);
    return heldout_bce(network, items.clean, items.labels, 1, {});
  };
  EXPECT_NEAR(bce_of(0), std::numbers::ln2, 1e-6);
  EXPECT_LT(bce_of(2), bce_of(1.5));
  EXPECT_LT(bce_of(2), bce_of(2.5));
  EXPECT_EQ(bce_of(2), bce_of(2)) << "the draw is fixed";
}

TEST(HeldOutBce, NeedsBothSets) {
  LineDiscriminator network(1, 0);
  EXPECT_THROW(heldout_bce(network, at::zeros({3, 1}), at::ones({3}), 1, {}), UsageError);
}

}  // namespace
}  // namespace equipoise::reweight
