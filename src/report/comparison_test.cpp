#include "report/comparison.h"

#include <cmath>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/scratch_folder.h"
#include "report/comparison_report.h"

namespace equipoise::report {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

Json method(const std::string& name, double variation, double distance, const std::string& recipe) {
  return {{"name", name},
          {"title", name + " title"},
          {"total_variation", {{"raw", {{"value", variation}, {"low", 0.0}, {"high", 1.0}}}}},
          {"frechet", {{"value", distance}, {"recipe", {{"features", recipe}}}}}};
}

struct ComparisonTest : testing::Test {
  io::ScratchFolder folder;

  std::filesystem::path run(const std::string& name, int seed, double own, double other,
                            const std::string& recipe = "one classifier",
                            double learning_rate = 1e-3) {
    std::filesystem::create_directories(folder / name);
    const Json results = {
        {"format", "equipoise-results/1"},
        {"title", "An experiment"},
        {"seed", seed},
        {"config", {{"seed", seed}, {"train", {{"learning_rate", learning_rate}}}}},
        {"methods", {method("plain", other, 2 * other, recipe), method("ours", own, own, recipe)}}};
    std::ofstream(folder / name / "results.json") << results;
    return folder / name;
  }
};

TEST(MeanEstimate, IsStudentsInterval) {
  // t(0.975, 2) = 4.302653; standard deviation 1, three values.
  const Estimate estimate = mean_estimate({1, 2, 3});
  EXPECT_DOUBLE_EQ(estimate.value, 2);
  EXPECT_NEAR(*estimate.low, 2 - 4.302653 / std::sqrt(3), 1e-6);
  EXPECT_NEAR(*estimate.high, 2 + 4.302653 / std::sqrt(3), 1e-6);
  EXPECT_FALSE(mean_estimate({1}).low.has_value());
}

TEST_F(ComparisonTest, RepetitionsArePairedRunByRun) {
  const Comparison comparison =
      compare_runs({run("a", 0, 0.1, 0.2), run("b", 1, 0.2, 0.4), run("c", 2, 0.5, 0.4)}, "");
  EXPECT_TRUE(comparison.is_repetition);
  EXPECT_EQ(comparison.baseline, "plain");
  ASSERT_EQ(comparison.differences.size(), 2u);
  const PairedDifference &variation = comparison.differences[0],
                         &distance = comparison.differences[1];
  EXPECT_EQ(variation.num_lower, 2);
  EXPECT_EQ(variation.num_runs, 3);
  EXPECT_NEAR(variation.estimate.value, (-0.1 - 0.2 + 0.1) / 3, 1e-12);
  EXPECT_NEAR(distance.estimate.value, std::cbrt(0.25 * 0.25 * 0.625), 1e-12);
  EXPECT_EQ(distance.num_lower, 3);
}

TEST_F(ComparisonTest, NumbersOfAnotherRecipeAreNotAveraged) {
  const Comparison comparison = compare_runs(
      {run("a", 0, 0.1, 0.2, "classifier a"), run("b", 1, 0.1, 0.2, "classifier b")}, "");
  const Table variation = measure_table(comparison, comparison.measures[0]),
              distance = measure_table(comparison, comparison.measures[1]);
  EXPECT_EQ(variation.columns.size(), 4u);
  EXPECT_EQ(distance.columns.size(), 3u);
  EXPECT_THAT(comparison_markdown(comparison), HasSubstr("are not averaged"));
}

TEST_F(ComparisonTest, AnotherSettingIsAnotherExperiment) {
  const Comparison comparison =
      compare_runs({run("a", 0, 0.1, 0.2), run("b", 0, 0.1, 0.2, "one classifier", 2e-3)}, "");
  EXPECT_FALSE(comparison.is_repetition);
  EXPECT_TRUE(comparison.differences.empty());
  const Table settings = settings_table(comparison);
  ASSERT_EQ(settings.rows.size(), 1u);
  EXPECT_THAT(settings.rows[0].cells, ElementsAre("train.learning_rate", "0.001", "0.002"));
  EXPECT_EQ(measure_table(comparison, comparison.measures[0]).columns.size(), 3u);
}

TEST_F(ComparisonTest, RunsOfOneNameAreToldApartByTheirPaths) {
  const Comparison comparison =
      compare_runs({run("x/a", 0, 0.1, 0.2), run("y/a", 1, 0.1, 0.2)}, "");
  EXPECT_THAT(comparison.runs[0].label, HasSubstr("x/a"));
  EXPECT_THAT(comparison.runs[1].label, HasSubstr("y/a"));
}

TEST_F(ComparisonTest, TheBaselineMayBeChosen) {
  const auto folders = {run("a", 0, 0.1, 0.2), run("b", 1, 0.1, 0.2)};
  EXPECT_EQ(compare_runs(folders, "ours").differences[0].method, "plain");
  try {
    compare_runs(folders, "theirs");
    FAIL() << "accepted";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("one of plain, ours"));
  }
}

TEST_F(ComparisonTest, WantsDifferentRuns) {
  const auto folder = run("a", 0, 0.1, 0.2);
  EXPECT_THROW(compare_runs({folder}, ""), UsageError);
  EXPECT_THROW(compare_runs({folder, folder / "."}, ""), UsageError);
}

TEST_F(ComparisonTest, EveryFormTellsTheSame) {
  const Comparison comparison = compare_runs({run("a", 0, 0.1, 0.2), run("b", 1, 0.2, 0.4)}, "");
  const Json json = comparison_json(comparison);
  EXPECT_EQ(json.at("measures")[0].at("methods")[1].at("by_run")[1].at("value"), 0.2);
  EXPECT_EQ(json.at("settings").at("/seed"), (std::vector<std::string>{"0", "1"}));
  const std::string page = comparison_html(comparison), text = comparison_markdown(comparison);
  for (const std::string& form : {page, text}) {
    EXPECT_THAT(form, HasSubstr("2 repetitions of one recipe, seeds 0, 1."));
    EXPECT_THAT(form, HasSubstr("ours title"));
  }
  EXPECT_THAT(page, HasSubstr("<section id=\"results\""));
  EXPECT_THAT(page, Not(HasSubstr("<script src")));
}

TEST_F(ComparisonTest, RunsWithoutNumbersMakeAShortPage) {
  for (const char* name : {"a", "b"}) {
    std::filesystem::create_directories(folder / name);
    std::ofstream(folder / name / "results.json") << Json{{"format", "equipoise-results/1"}};
  }
  const Comparison comparison = compare_runs({folder / "a", folder / "b"}, "");
  EXPECT_EQ(comparison.baseline, "");
  EXPECT_THAT(comparison_html(comparison), HasSubstr("No setting differs."));
}

}  // namespace
}  // namespace equipoise::report
