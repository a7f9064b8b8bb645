#include "guidance/sigma_schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::guidance {
namespace {

double factor(const ScheduleConfig& config, double sigma) {
  return SigmaSchedule(config, "test").factor(at::full({1}, sigma, at::kDouble)).item<double>();
}

TEST(SigmaSchedule, IsOneInsideItsRangeAndZeroOutside) {
  const ScheduleConfig config{.sigma_min = 0.1, .sigma_max = 5};
  EXPECT_EQ(factor(config, 0.1), 1);
  EXPECT_EQ(factor(config, 5), 1);
  EXPECT_EQ(factor(config, 0.0999), 0);
  EXPECT_EQ(factor(config, 5.001), 0);
}

TEST(SigmaSchedule, IsLinearInLogSigmaBetweenItsPoints) {
  const ScheduleConfig config{.schedule = "0.01:0/1:2/100:1"};
  EXPECT_NEAR(factor(config, 0.1), 1, 1e-12);
  EXPECT_NEAR(factor(config, 1), 2, 1e-12);
  EXPECT_NEAR(factor(config, 10), 1.5, 1e-12);
  EXPECT_EQ(factor(config, 1e-5), 0) << "constant beyond the first point";
  EXPECT_EQ(factor(config, 1e5), 1) << "constant beyond the last point";
}

TEST(SigmaSchedule, RefusesWhatIsNoSchedule) {
  for (const char* text : {"1", "1:2/0.5:3", "0:1", "a:1", "1:b"}) {
    EXPECT_THROW(factor({.schedule = text}, 1), UsageError) << text;
  }
}

}  // namespace
}  // namespace equipoise::guidance
