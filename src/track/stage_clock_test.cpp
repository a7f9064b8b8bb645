#include "track/stage_clock.h"

#include <gtest/gtest.h>

namespace equipoise::track {
namespace {

TEST(StageClock, AddsUpTimePerStageInOrderOfFirstUse) {
  double now = 0;
  StageClock clock([&] { return now; });
  clock.begin("train");
  now = 2;
  clock.begin("sample");
  now = 5;
  clock.begin("train");
  now = 9;
  clock.end();
  now = 100;
  EXPECT_EQ(clock.to_json().dump(), R"([{"name":"train","seconds":6.0},{"name":"sample","seconds":3.0}])");
}

TEST(StageClock, CountsTheStageUnderWayAndWhatAResumedRunBrings) {
  double now = 10;
  StageClock clock([&] { return now; });
  clock.add("train", 40);
  clock.begin("train");
  now = 12;
  ASSERT_EQ(clock.stages().size(), 1u);
  EXPECT_DOUBLE_EQ(clock.stages()[0].seconds, 42);
  now = 13;
  EXPECT_DOUBLE_EQ(clock.stages()[0].seconds, 43);
}

}  // namespace
}  // namespace equipoise::track
