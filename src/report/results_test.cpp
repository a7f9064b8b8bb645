#include "report/results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/error.h"

namespace equipoise::report {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct ResultsTest : testing::Test {
  fs::path run_dir = fs::temp_directory_path() / ("equipoise_results_" + std::to_string(getpid()));
  void SetUp() override { fs::create_directories(run_dir); }
  void TearDown() override { fs::remove_all(run_dir); }
  std::string refusal(const std::string& text) {
    std::ofstream(run_dir / "results.json") << text;
    try {
      load_results(run_dir);
      return "";
    } catch (const DataError& error) {
      return error.what();
    }
  }
};

TEST_F(ResultsTest, AFolderWithoutResultsIsNamedWithWhatToDo) {
  try {
    load_results(run_dir);
    FAIL() << "loaded results from an empty folder";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("holds no results.json"));
    EXPECT_THAT(error.what(), HasSubstr("equipoise run"));
  }
}

TEST_F(ResultsTest, OtherFormatsAreRefusedByName) {
  EXPECT_THAT(refusal(R"({"format": "equipoise-results/9"})"),
              HasSubstr("got equipoise-results/9"));
  EXPECT_THAT(refusal("{}"), HasSubstr("no \"format\""));
  EXPECT_THAT(refusal("[1]"), HasSubstr("no \"format\""));
  EXPECT_THAT(refusal("{\"format\": "), HasSubstr("results.json"));
}

TEST(Results, WhatIsAbsentOrOfAnotherTypeIsNothing) {
  const Json json = {{"a", {{"b", 2}, {"text", "x"}}}};
  EXPECT_EQ(number_at(json, "/a/b"), 2);
  EXPECT_EQ(number_at(json, "/a/text"), std::nullopt);
  EXPECT_EQ(number_at(json, "/a/b/c"), std::nullopt);
  EXPECT_EQ(text_at(json, "/a/text"), "x");
  EXPECT_EQ(text_at(json, "/a/b"), "2");
  EXPECT_EQ(text_at(json, "/none"), "");
  EXPECT_TRUE(list_at(json, "/a").empty());
}

TEST(Results, AnEstimateNeedsAValueButNoInterval) {
  EXPECT_FALSE(estimate_at({{"low", 0.1}}, ""));
  EXPECT_DOUBLE_EQ(estimate_at({{"value", 0.2}}, "")->value, 0.2);
  EXPECT_FALSE(estimate_at({{"value", 0.2}}, "")->low);
}

}  // namespace
}  // namespace equipoise::report
