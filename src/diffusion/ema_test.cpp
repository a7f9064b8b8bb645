#include "diffusion/ema.h"

#include <cmath>

#include <gtest/gtest.h>

namespace equipoise::diffusion {
namespace {

TEST(Ema, FirstStepCopiesTheWeights) {
  EXPECT_EQ(ema_decay({}, 256, 0), 0);
}

TEST(Ema, HalfLifeRampsUpWithTheImagesSeen) {
  EXPECT_NEAR(ema_decay({}, 256, 1'000'000), std::pow(0.5, 256.0 / 50'000), 1e-15);
  EXPECT_NEAR(ema_decay({}, 256, 100'000'000), std::pow(0.5, 256.0 / 500'000), 1e-15);
  const EmaConfig no_ramp{.half_life_kimg = 10, .ramp_ratio = 0};
  EXPECT_NEAR(ema_decay(no_ramp, 100, 0), std::pow(0.5, 100.0 / 10'000), 1e-15);
}

TEST(Ema, CopiesTheWeightsUntilItsStart) {
  const EmaConfig config{.half_life_kimg = 10, .ramp_ratio = 0, .start_kimg = 2};
  EXPECT_EQ(ema_decay(config, 100, 1900), 0);
  EXPECT_GT(ema_decay(config, 100, 2000), 0.9);
}

TEST(Ema, HalfTheDistanceRemainsAfterOneHalfLife) {
  const EmaConfig config{.half_life_kimg = 1, .ramp_ratio = 0};
  double left = 1;
  for (int64_t seen = 0; seen < 1000; seen += 50) left *= ema_decay(config, 50, seen);
  EXPECT_NEAR(left, 0.5, 1e-12);
}

}  // namespace
}  // namespace equipoise::diffusion
