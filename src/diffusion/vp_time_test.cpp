#include "diffusion/vp_time.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::diffusion {
namespace {

const at::Tensor kSomeSigmas =
    at::tensor({1e-4, 0.002, 0.0447, 0.5, 1.0, 5.0, 80.0, 152.0}, at::kDouble);

TEST(VpTime, HasTheValuesOfTheLinearSchedule) {
  EXPECT_NEAR(vp_time(0.002), 4.0e-5, 1e-6);
  EXPECT_NEAR(vp_time(0.0447), 0.01, 1e-5);
  EXPECT_NEAR(vp_time(0.5), 0.144814, 1e-6);
  EXPECT_NEAR(vp_time(1), 0.25896, 1e-5);
  EXPECT_NEAR(vp_time(5), 0.567227, 1e-6);
  EXPECT_NEAR(vp_time(80), 0.933511, 1e-6);
  EXPECT_NEAR(vp_sigma(1), 152.167, 1e-3);
  EXPECT_NEAR(vp_sigma(0.5), 3.41292, 1e-5);
  EXPECT_NEAR(vp_sigma(1e-5), 1.0005e-3, 1e-7);
}

TEST(VpTime, ScaleIsTheDecayOfTheExponent) {
  const at::Tensor from_time = (-0.5 * vp_exponent(vp_time(kSomeSigmas))).exp();
  EXPECT_LT((from_time - vp_scale(kSomeSigmas)).abs().max().item<double>(), 1e-12);
}

TEST(VpTime, SigmaAndTimeAreInverse) {
  const at::Tensor back = vp_sigma(vp_time(kSomeSigmas));
  EXPECT_LT((back / kSomeSigmas - 1).abs().max().item<double>(), 1e-11);
}

TEST(VpTime, Float32KeepsItsPrecisionAtSmallNoise) {
  const at::Tensor narrow = kSomeSigmas.to(at::kFloat);
  const at::Tensor exact = vp_time(narrow.to(at::kDouble));
  EXPECT_LT((vp_time(narrow).to(at::kDouble) / exact - 1).abs().max().item<double>(), 1e-6);
  const at::Tensor back = vp_sigma(vp_time(narrow));
  EXPECT_LT((back / narrow - 1).abs().max().item<double>(), 1e-5);
}

TEST(VpTime, NumbersAndTensorsAgree) {
  for (int64_t i = 0; i < kSomeSigmas.numel(); ++i) {
    const double sigma = kSomeSigmas[i].item<double>();
    EXPECT_DOUBLE_EQ(vp_time(sigma), vp_time(kSomeSigmas)[i].item<double>());
    EXPECT_DOUBLE_EQ(vp_cosine_time(sigma), vp_cosine_time(kSomeSigmas)[i].item<double>());
  }
}

TEST(VpTime, CosineTimeHasTheSameSignalToNoiseRatio) {
  EXPECT_NEAR(vp_cosine_time(0.5), 0.289628, 1e-6);
  EXPECT_NEAR(vp_cosine_time(1), 0.49605, 1e-5);
  EXPECT_NEAR(vp_cosine_time(80), 0.99198, 1e-5);
  EXPECT_NEAR(vp_cosine_time(0), 0, 1e-12);
}

TEST(TimeMap, SelectsTheTimeByName) {
  const at::Tensor sigma = at::tensor({0.5}, at::kDouble);
  EXPECT_NEAR(network_time(parse_time_map("linear"), sigma).item<double>(), 0.144814, 1e-6);
  EXPECT_NEAR(network_time(parse_time_map("cosine"), sigma).item<double>(), 0.289628, 1e-6);
  EXPECT_EQ(to_string(parse_time_map("cosine")), "cosine");
  EXPECT_THROW(parse_time_map("cosin"), UsageError);
}

// Largest distance between the empirical distribution of `values` and the uniform one on [0, 1].
double distance_to_uniform(const at::Tensor& values) {
  const at::Tensor sorted = std::get<0>(values.sort());
  const auto count = static_cast<double>(sorted.numel());
  const at::Tensor steps = at::arange(sorted.numel(), at::kDouble) / count;
  return std::max((sorted - steps).max().item<double>(),
                  (steps + 1 / count - sorted).max().item<double>());
}

// Critical value of the Kolmogorov-Smirnov test at level 0.01.
double critical_distance(int64_t count) {
  return 1.63 / std::sqrt(static_cast<double>(count));
}

TEST(RatioTimeSampler, LogSigmaIsUniform) {
  const at::Tensor sigma = draw_ratio_sigma(RatioTimeLaw::kLogUniformSigma, 1, at::arange(20000));
  const double low = std::log(vp_sigma(1e-5));
  const double high = std::log(vp_sigma(1));
  EXPECT_LT(distance_to_uniform((sigma.log() - low) / (high - low)), critical_distance(20000));
}

TEST(RatioTimeSampler, TimeHasTheQuantilesOfTheImportanceLaw) {
  const at::Tensor sigma = draw_ratio_sigma(RatioTimeLaw::kLogUniformSigma, 2, at::arange(100000));
  const at::Tensor times = std::get<0>(vp_time(sigma).sort());
  EXPECT_NEAR(times[25000].item<double>(), 0.003005, 3e-4);
  EXPECT_NEAR(times[50000].item<double>(), 0.114421, 3e-3);
  EXPECT_NEAR(times[75000].item<double>(), 0.636956, 6e-3);
  EXPECT_NEAR(times[90000].item<double>(), 0.872628, 3e-3);
}

TEST(RatioTimeSampler, UniformTimeIsUniform) {
  const at::Tensor sigma =
      draw_ratio_sigma(parse_ratio_time_law("uniform_time"), 3, at::arange(20000));
  EXPECT_LT(distance_to_uniform(vp_time(sigma)), critical_distance(20000));
}

TEST(RatioTimeSampler, DrawsDependOnTheImageNumberAlone) {
  const at::Tensor all = draw_ratio_sigma(RatioTimeLaw::kLogUniformSigma, 4, at::arange(8));
  const at::Tensor some =
      draw_ratio_sigma(RatioTimeLaw::kLogUniformSigma, 4, at::tensor({5, 2}, at::kLong));
  EXPECT_EQ(some[0].item<double>(), all[5].item<double>());
  EXPECT_EQ(some[1].item<double>(), all[2].item<double>());
  EXPECT_NE(all[2].item<double>(), all[5].item<double>());
}

}  // namespace
}  // namespace equipoise::diffusion
