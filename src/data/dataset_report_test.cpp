#include "data/dataset_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(DatasetReport, CountsAndMeasures) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(10));
  folder.write("a/1.png", flat_png(20));
  folder.write("b/0.png", flat_png(60));
  const DatasetReport report = check_dataset(folder.string());
  EXPECT_EQ(report.num_images, 3);
  EXPECT_THAT(report.shape, ElementsAre(3, 4, 4));
  EXPECT_THAT(report.groups.at("class").counts, ElementsAre(2, 1));
  EXPECT_THAT(report.problems, ElementsAre());
  EXPECT_THAT(report.mean, testing::Each(testing::DoubleEq(30)));
  EXPECT_NEAR(report.std[0], 21.602468994692867, 1e-9);  // sqrt((20^2 + 10^2 + 30^2) / 3)
  EXPECT_THAT(report.to_text(), HasSubstr("no problems found"));
  EXPECT_EQ(report.to_json()["groups"]["class"]["a"], 2);
}

TEST(DatasetReport, FindsCopiesAndContradictions) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(10));
  folder.write("a/1.png", flat_png(10));
  folder.write("b/0.png", flat_png(10));
  const DatasetReport report = check_dataset(folder.string());
  ASSERT_EQ(report.duplicates.size(), 2u);
  EXPECT_EQ(report.duplicates[1].first, 0);
  EXPECT_EQ(report.duplicates[1].second, 2);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("0 (a/0.png) and 2 (b/0.png)")));
}

TEST(DatasetReport, CollectsAllProblems) {
  const TempFolder folder;
  folder.write("a/0.png", flat_png(10));
  folder.write("a/1.png", flat_png(10).substr(0, 30));
  folder.write("a/2.png", flat_png(10, 3, 7));
  folder.write("b/readme.txt", "no images");
  const DatasetReport report = check_dataset(folder.string());
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("a/1.png"), HasSubstr("a/2.png"),
                                           HasSubstr("class 'b' has no images")));
  EXPECT_EQ(report.num_images, 1);
  EXPECT_THAT(report.to_text(), HasSubstr("problems found: 3"));
}

TEST(DatasetReport, ReportsWhatEndsTheReading) {
  const TempFolder folder;
  const DatasetReport report = check_dataset(folder.write("x.bin", "short"));
  EXPECT_EQ(report.num_images, 0);
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("no CIFAR-10 batch")));
  EXPECT_THAT(report.to_text(), HasSubstr("problems found: 1"));
}

TEST(DatasetReport, DescribesVectors) {
  const DatasetReport report = check_dataset("toy:two-gaussians?num=4000");
  EXPECT_THAT(report.shape, ElementsAre(2));
  EXPECT_NEAR(report.std[0], 2.236, 0.1);  // sqrt(1 + 2^2)
}

}  // namespace
}  // namespace equipoise::data
