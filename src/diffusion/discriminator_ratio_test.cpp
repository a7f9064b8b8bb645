#include "diffusion/discriminator_ratio.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/parallel.h"
#include "diffusion/discriminator_fixture.h"

namespace equipoise::diffusion {
namespace {

const at::Tensor kPoints = at::tensor({0.3f, -0.1f, 1.0f, 0.5f, -4.0f, 9.0f}).reshape({3, 2});
const at::Tensor kSigmas = at::tensor({0.05f, 1.0f, 5.0f});

TEST(DiscriminatorRatio, RecoversTwoShiftedGaussiansInVeScale) {
  const DiscriminatorRatio ratio(std::make_shared<LineDiscriminator>(2, 0));
  const at::Tensor x = at::tensor({-1.0f, 0.5f, 3.0f}).reshape({3, 1});
  const at::Tensor expected = 2 * x.flatten() / (1 + kSigmas.square());
  EXPECT_LT((ratio.log_ratio(x, kSigmas) - expected).abs().max().item<double>(), 1e-5);
}

// Data N(0, 1), model N(m, 1): E_model[e^l] = 1 and E_data[e^-l] = 1 at every noise level, by the
// trapezoidal rule.
TEST(DiscriminatorRatio, AveragesToOneOverBothLaws) {
  const double m = 0.8;
  const DiscriminatorRatio ratio(std::make_shared<LineDiscriminator>(-m, m * m / 2));
  for (const double sigma : {0.0, 0.05, 1.0, 20.0}) {
    const double variance = 1 + sigma * sigma, width = 20 * std::sqrt(variance) / 4000;
    const at::Tensor x = width * (at::arange(4001, at::kDouble) - 2000);
    const auto density = [&](double mean) {
      return (-(x - mean).square() / (2 * variance)).exp() /
             std::sqrt(2 * std::numbers::pi * variance);
    };
    const at::Tensor log_ratio =
        ratio.log_ratio(x.unsqueeze(1).to(at::kFloat), at::full({4001}, sigma)).to(at::kDouble);
    EXPECT_NEAR((density(m) * log_ratio.exp()).sum().item<double>() * width, 1, 1e-4) << sigma;
    EXPECT_NEAR((density(0) * (-log_ratio).exp()).sum().item<double>() * width, 1, 1e-4) << sigma;
  }
}

TEST(DiscriminatorRatio, GradientInXIsTheScaledGradientInZ) {
  const auto network = std::make_shared<CurvedDiscriminator>();
  const DiscriminatorRatio ratio(network);
  const at::Tensor x = kPoints.clone().requires_grad_(true);
  const at::Tensor in_x = torch::autograd::grad({ratio.log_ratio(x, kSigmas).sum()}, {x}).front();
  const at::Tensor scale = vp_scale(kSigmas).unsqueeze(1);
  const at::Tensor z = (scale * kPoints).requires_grad_(true);
  const at::Tensor in_z =
      torch::autograd::grad({network->logit(z, vp_time(kSigmas)).sum()}, {z}).front();
  EXPECT_LT((in_x - scale * in_z).abs().max().item<double>(), 1e-5);
}

TEST(DiscriminatorRatio, GradientEqualsFiniteDifferences) {
  const DiscriminatorRatio ratio(std::make_shared<CurvedDiscriminator>());
  const at::Tensor x = kPoints.clone().requires_grad_(true);
  const at::Tensor gradient =
      torch::autograd::grad({ratio.log_ratio(x, kSigmas).sum()}, {x}).front();
  for (int64_t axis = 0; axis < 2; ++axis) {
    at::Tensor step = at::zeros({2});
    step[axis] = 1e-2;
    const at::Tensor difference =
        (ratio.log_ratio(kPoints + step, kSigmas) - ratio.log_ratio(kPoints - step, kSigmas)) /
        2e-2;
    EXPECT_LT((gradient.select(1, axis) - difference).abs().max().item<double>(), 1e-3);
  }
}

TEST(DiscriminatorRatio, NoGradientReachesTheParameters) {
  const auto network = std::make_shared<CurvedDiscriminator>();
  const DiscriminatorRatio ratio(network);
  EXPECT_FALSE(ratio.log_ratio(kPoints, kSigmas).requires_grad());
  ratio.log_ratio(kPoints.clone().requires_grad_(true), kSigmas).sum().backward();
  for (const at::Tensor& parameter : network->parameters())
    EXPECT_FALSE(parameter.grad().defined());
}

TEST(DiscriminatorRatio, TimeIndependentFormSeesTheImageAsItIs) {
  const DiscriminatorRatio ratio(std::make_shared<LineDiscriminator>(1.5, 0.25),
                                 {.time_dependent = false});
  const at::Tensor log_ratio = ratio.log_ratio(kPoints, kSigmas);
  EXPECT_LT((log_ratio - 1.5 * kPoints.sum(1) - 0.25).abs().max().item<double>(), 1e-6);
  const DiscriminatorRatio time(std::make_shared<TimeDiscriminator>(), {.time_dependent = false});
  EXPECT_EQ(time.log_ratio(kPoints, kSigmas).abs().max().item<double>(), 0);
}

TEST(DiscriminatorRatio, ShowsTheNetworkItsOwnTime) {
  const auto network = std::make_shared<TimeDiscriminator>();
  const auto time_at_one = [&](const DiscriminatorUse& use) {
    return DiscriminatorRatio(network, use).log_ratio(kPoints, kSigmas)[1].item<double>();
  };
  EXPECT_NEAR(time_at_one({.time_map = "cosine"}), 0.49605, 1e-5);
  EXPECT_NEAR(time_at_one({.time_map = "linear"}), 0.25896, 1e-5);
}

TEST(DiscriminatorRatio, PriorIsTakenOffTheLogOdds) {
  const auto network = std::make_shared<LineDiscriminator>(0, 0);
  const DiscriminatorRatio ratio(network, {.reference_prior = 0.2});
  EXPECT_NEAR(ratio.log_ratio(kPoints, kSigmas)[0].item<double>(), std::log(4), 1e-6);
  EXPECT_THROW(DiscriminatorRatio(network, {.reference_prior = 0}), UsageError);
}

TEST(DiscriminatorRatio, ThreadsAgree) {
  const DiscriminatorRatio ratio(std::make_shared<CurvedDiscriminator>());
  const at::Tensor alone = ratio.log_ratio(kPoints, kSigmas);
  std::vector<at::Tensor> results(4);
  run_workers(4, [&](int64_t worker) {
    at::Tensor& result = results[static_cast<size_t>(worker)];
    for (int repeat = 0; repeat < 50; ++repeat) result = ratio.log_ratio(kPoints, kSigmas);
  });
  for (const at::Tensor& result : results) EXPECT_TRUE(at::equal(result, alone));
}

}  // namespace
}  // namespace equipoise::diffusion
