#include "report/series.h"

#include <gtest/gtest.h>

namespace equipoise::report {
namespace {

TEST(Series, RecordsWithoutBothNumbersAreSkipped) {
  const std::vector<Json> records = {
      {{"images", 1}, {"loss", 0.5}}, {{"images", 2}}, {{"loss", 3}}};
  EXPECT_EQ(read_points(records, "images", "loss"), (Points{{1, 0.5}}));
}

TEST(Series, ThinningAveragesNeighbours) {
  EXPECT_EQ(thin_out({{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}}, 3),
            (Points{{1, 2}, {5, 6}, {8, 9}}));
}

TEST(Series, ShortCurvesStayAsTheyAre) {
  const Points points = {{0, 1}, {2, 3}};
  EXPECT_EQ(thin_out(points, 2), points);
}

}  // namespace
}  // namespace equipoise::report
