#include "diffusion/noise_law.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::diffusion {
namespace {

TEST(NoiseLaw, EdmLogSigmaHasItsMeanAndDeviation) {
  const at::Tensor log_sigma = NoiseLaw{}.draw(1, at::arange(100000)).to(at::kDouble).log();
  EXPECT_NEAR(log_sigma.mean().item<double>(), -1.2, 0.012);
  EXPECT_NEAR(log_sigma.std().item<double>(), 1.2, 0.01);
}

TEST(NoiseLaw, VpAndVeStayInTheirRanges) {
  const at::Tensor vp = NoiseLaw{.law = "vp"}.draw(1, at::arange(20000));
  EXPECT_GE(vp.min().item<double>(), 1.0e-3);
  EXPECT_LE(vp.max().item<double>(), 152.2);
  EXPECT_NEAR(vp.median().item<double>(), 3.413, 0.15) << "sigma at tau = 0.5";
  const at::Tensor ve = NoiseLaw{.law = "ve"}.draw(1, at::arange(20000));
  EXPECT_GE(ve.min().item<double>(), 0.02);
  EXPECT_LE(ve.max().item<double>(), 100);
  EXPECT_NEAR(ve.median().item<double>(), std::sqrt(0.02 * 100), 0.1);
}

TEST(NoiseLaw, LossWeightBalancesTheLevels) {
  const at::Tensor sigma = at::tensor({0.1, 2.0}, at::kDouble);
  const at::Tensor edm = NoiseLaw{}.loss_weight(sigma, 0.5);
  EXPECT_NEAR(edm[0].item<double>(), (0.01 + 0.25) / (0.1 * 0.5 * 0.1 * 0.5), 1e-9);
  EXPECT_NEAR(edm[1].item<double>(), (4 + 0.25) / (2 * 0.5 * 2 * 0.5), 1e-12);
  const at::Tensor ve = NoiseLaw{.law = "ve"}.loss_weight(sigma, 0.5);
  EXPECT_NEAR(ve[1].item<double>(), 0.25, 1e-12);
}

TEST(NoiseLaw, UnknownLawIsRefused) {
  EXPECT_THROW((void)NoiseLaw{.law = "edn"}.draw(1, at::arange(2)), UsageError);
}

TEST(MakeNoisy, AddsSigmaTimesStandardNormalNoise) {
  const at::Tensor clean = at::full({64, 3, 8, 8}, 0.25);
  const NoisyBatch batch = make_noisy(clean, at::arange(64), 5, {}, 0.5);
  EXPECT_TRUE(at::equal(batch.clean, clean));
  const at::Tensor noise = (batch.noisy - clean) / batch.sigma.reshape({64, 1, 1, 1});
  EXPECT_NEAR(noise.mean().item<double>(), 0, 0.03);
  EXPECT_NEAR(noise.std().item<double>(), 1, 0.02);
  EXPECT_TRUE(at::equal(batch.loss_weight, NoiseLaw{}.loss_weight(batch.sigma, 0.5)));
}

TEST(MakeNoisy, BatchSplitsDoNotChangeTheNoise) {
  const at::Tensor clean = at::zeros({6, 2});
  const NoisyBatch whole = make_noisy(clean, at::arange(6), 5, {}, 0.5);
  const NoisyBatch tail = make_noisy(clean.slice(0, 4), at::arange(4, 6), 5, {}, 0.5);
  EXPECT_TRUE(at::equal(whole.noisy.slice(0, 4), tail.noisy));
  EXPECT_TRUE(at::equal(whole.sigma.slice(0, 4), tail.sigma));
}

TEST(MakeNoisy, CountsMustAgree) {
  EXPECT_THROW(make_noisy(at::zeros({6, 2}), at::arange(5), 5, {}, 0.5), UsageError);
}

}  // namespace
}  // namespace equipoise::diffusion
