#include "audit/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::audit {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;
using Json = nlohmann::json;

Json interval(double value, double low, double high) {
  return {{"value", value}, {"low", low}, {"high", high}};
}

Json evaluation() {
  return {{"format", "equipoise-evaluation/1"},
          {"total_variation",
           {{"raw", interval(0.10, 0.08, 0.12)}, {"corrected", interval(0.04, 0.02, 0.06)}}},
          {"share_distances", {{"kl", {{"raw", interval(0.3, 0.2, 0.4)}}}}},
          {"shares", {{{"group", "Female/0.5<1"}, {"raw", interval(0.45, 0.40, 0.50)}}}},
          {"frechet", interval(0.2, 0.1, 0.3)},
          {"frechet_extrapolated", {{"value", 0.15}}},
          {"nearest_reference", {{"ratio", 0.9}}},
          {"precision_recall",
           {{"precision", interval(0.8, 0.7, 0.9)}, {"recall", interval(0.6, 0.5, 0.7)}}},
          {"group_frames",
           {{"frechet",
             {{"overall", {{"value", 0.2}}},
              {"by_group", {{"cat", {{"value", 0.5}}}}},
              {"difference", {{"value", 0.4}}},
              {"ratio", nullptr}}},
            {"accuracy", {{"overall", interval(0.9, 0.8, 0.95)}}}}},
          {"paired", {{"total_variation", interval(-0.02, -0.03, -0.01)}}}};
}

Json run_of_two() {
  Json obs{{"name", "dsm_obs"}, {"total_variation", {{"raw", interval(0.20, 0.15, 0.25)}}}};
  Json tiw{{"name", "tiw_dsm"},
           {"total_variation", {{"raw", interval(0.05, 0.02, 0.08)}}},
           {"frechet", interval(0.2, 0.1, 0.3)}};
  return {{"format", "equipoise-results/1"}, {"methods", {obs, tiw}}};
}

bool holds(const std::string& requirement, IntervalEnd end = IntervalEnd::kValue) {
  const auto verdicts = judge(evaluation(), {parse_requirement(requirement)}, end);
  EXPECT_EQ(verdicts.size(), 1u);
  return verdicts.front().holds;
}

TEST(ParseRequirement, ReadsNameComparisonAndBound) {
  const Requirement requirement = parse_requirement(" share.Female/0.5<1 >= 4.5e-1 ");
  EXPECT_EQ(requirement.name, "share.Female/0.5<1");
  EXPECT_EQ(requirement.comparison, Comparison::kAtLeast);
  EXPECT_EQ(requirement.bound, 0.45);
}

TEST(ParseRequirement, RefusesAnythingElse) {
  for (const char* text :
       {"tv", "tv<=", "<=0.5", "tv<=a", "tv=0.5", "tv<=0.5x", "tv<=nan", "tv<=inf", "tv<==0.5", ""})
    EXPECT_THROW(parse_requirement(text), UsageError) << text;
}

TEST(Gate, ComparesInTheFourWaysWithEqualityWhereItSays) {
  EXPECT_TRUE(holds("frechet<=0.2"));
  EXPECT_FALSE(holds("frechet<0.2"));
  EXPECT_TRUE(holds("frechet>=0.2"));
  EXPECT_FALSE(holds("frechet>0.2"));
  EXPECT_TRUE(holds("frechet<0.21"));
  EXPECT_FALSE(holds("frechet<=0.19"));
}

TEST(Gate, HoldsTheNamedEndOfTheIntervalToIt) {
  EXPECT_TRUE(holds("frechet<=0.25", IntervalEnd::kValue));
  EXPECT_FALSE(holds("frechet<=0.25", IntervalEnd::kUpper));
  EXPECT_TRUE(holds("frechet<=0.15", IntervalEnd::kLower));
  EXPECT_FALSE(holds("precision>=0.75", IntervalEnd::kLower));
}

TEST(Gate, PrefersTheCorrectedNumber) {
  EXPECT_TRUE(holds("tv<=0.05"));
  EXPECT_FALSE(holds("tv.raw<=0.05"));
  EXPECT_TRUE(holds("tv.corrected<=0.05"));
  EXPECT_TRUE(holds("kl>0.29"));
}

TEST(Gate, KnowsEveryKindOfNumber) {
  for (const char* requirement :
       {"share.Female/0.5<1>=0.45", "frechet_extrapolated<=0.15", "nearest_reference>0.8",
        "precision_recall>=0.8", "recall>=0.6", "frechet.difference<=0.4", "frechet.cat<=0.5",
        "accuracy>=0.9", "paired.tv<0"})
    EXPECT_TRUE(holds(requirement)) << requirement;
}

TEST(Gate, RefusesNumbersThatTheFileLacks) {
  EXPECT_THAT([] { holds("frechett<=1"); },
              ThrowsMessage<UsageError>(HasSubstr("Did you mean 'frechet'?")));
  EXPECT_THROW(holds("frechet.ratio<=1"), UsageError);  // null: not stated
  EXPECT_THROW(holds("coverage<=1"), UsageError);
}

TEST(Gate, RefusesTheEndOfAnIntervalThatIsNotThere) {
  EXPECT_THAT([] { holds("frechet_extrapolated<=1", IntervalEnd::kUpper); },
              ThrowsMessage<UsageError>(
                  AllOf(HasSubstr("frechet_extrapolated"), HasSubstr("no interval"))));
}

TEST(Gate, HoldsEveryMethodToARequirementThatNamesNone) {
  const auto verdicts =
      judge(run_of_two(), {parse_requirement("tv<=0.1"), parse_requirement("tiw_dsm.tv<=0.1")});
  ASSERT_EQ(verdicts.size(), 3u);
  EXPECT_EQ(to_text(verdicts[0]), "fails  dsm_obs.tv<=0.1  0.2 (0.15 to 0.25)");
  EXPECT_EQ(to_text(verdicts[1]), "holds  tiw_dsm.tv<=0.1  0.05 (0.02 to 0.08)");
  EXPECT_EQ(verdicts[2].subject, "tiw_dsm.tv<=0.1");
}

TEST(Gate, RefusesANumberThatOneOfTheMethodsLacks) {
  const auto judge_one = [](const std::string& text) {
    return [text] { judge(run_of_two(), {parse_requirement(text)}); };
  };
  EXPECT_NO_THROW(judge_one("tiw_dsm.frechet<=1")());
  EXPECT_THAT(judge_one("frechet<=1"), ThrowsMessage<UsageError>(HasSubstr("'dsm_obs'")));
  EXPECT_THAT(judge_one("tiw_dms.tv<=1"),
              ThrowsMessage<UsageError>(HasSubstr("Did you mean 'tiw_dsm.tv'?")));
}

TEST(IntervalEndNamed, OffersTheNearest) {
  EXPECT_EQ(interval_end_named("upper"), IntervalEnd::kUpper);
  EXPECT_THAT([] { interval_end_named("uper"); },
              ThrowsMessage<UsageError>(HasSubstr("Did you mean 'upper'?")));
}

TEST(ReadMeasurements, ReadsFilesAndRunFoldersOfTheKnownFormats) {
  const io::ScratchFolder scratch;
  const auto file = scratch / "results.json";
  io::write_file_atomically(file, run_of_two().dump());
  EXPECT_EQ(read_measurements(file), run_of_two());
  EXPECT_EQ(read_measurements(scratch.path()), run_of_two());
  for (const char* text :
       {"[]", "{}", R"({"format": "equipoise-results/2"})", R"({"format": 1})"}) {
    io::write_file_atomically(file, text);
    EXPECT_THROW(read_measurements(file), DataError) << text;
  }
  EXPECT_THROW(read_measurements(scratch / "nothing.json"), DataError);
  EXPECT_THROW(judge(Json{{"methods", {{{"title", "no name"}}}}}, {}), DataError);
}

}  // namespace
}  // namespace equipoise::audit
