#include "audit/findings.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::audit {
namespace {

using Json = nlohmann::ordered_json;

Json interval(double value, double low, double high) {
  return {{"value", value}, {"low", low}, {"high", high}, {"level", 0.95}, {"method", "test"}};
}

/// Total variation with its floor of 0.03, up to 0.05.
Json variation(double value, double low, double high) {
  Json json = interval(value, low, high);
  json["floor"] = 0.03;
  json["floor_high"] = 0.05;
  return {{"raw", json}};
}

Json share(const std::string& group, double value, double low, double high) {
  return {{"group", group}, {"count", 1}, {"raw", interval(value, low, high)}};
}

/// Two groups, "bag" rare in the biased set. DSM(obs) follows that bias, TIW-DSM does not.
Json two_methods() {
  Json results;
  results["data"] = {{"class_names", {"shoe", "bag"}},
                     {"target", {0.5, 0.5}},
                     {"sets", {{{"name", "biased"}, {"counts", {950, 50}}}}}};
  Json obs{
      {"name", "dsm_obs"}, {"title", "DSM(obs)"}, {"total_variation", variation(0.3, 0.27, 0.33)}};
  obs["shares"] = {share("shoe", 0.8, 0.77, 0.83), share("bag", 0.2, 0.17, 0.23)};
  Json tiw{
      {"name", "tiw_dsm"}, {"title", "TIW-DSM"}, {"total_variation", variation(0.04, 0, 0.07)}};
  tiw["shares"] = {share("shoe", 0.54, 0.48, 0.6), share("bag", 0.46, 0.4, 0.52)};
  results["methods"] = {obs, tiw};
  return results;
}

/// The findings about `subject` whose text holds `part`.
std::vector<Finding> about(const Json& results, const std::string& subject,
                           const std::string& part) {
  std::vector<Finding> matching;
  for (const Finding& finding : find_all(results)) {
    if (finding.subject == subject && finding.text.find(part) != std::string::npos)
      matching.push_back(finding);
  }
  return matching;
}

TEST(Findings, NameTheGroupThatFollowsTheBiasWithItsNumbers) {
  const auto found = about(two_methods(), "DSM(obs)", "still follows the bias");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].severity, Severity::kHigh);
  EXPECT_NE(found[0].text.find("\"bag\" at 20.0 % (17.0 to 23.0), wanted 50.0 %"),
            std::string::npos)
      << found[0].text;
  EXPECT_FALSE(found[0].limits.empty());
}

TEST(Findings, CallAMissThatIsNotTheBiasAMiss) {
  Json results = two_methods();
  results["data"]["sets"][0]["counts"] = {50, 950};
  EXPECT_TRUE(about(results, "DSM(obs)", "still follows").empty());
  EXPECT_EQ(about(results, "DSM(obs)", "misses the target").size(), 1u);
}

TEST(Findings, PassNoVerdictBelowTheFloorNorWithoutATarget) {
  EXPECT_EQ(about(two_methods(), "TIW-DSM", "not distinguishable from the target").size(), 1u);
  Json results = two_methods();
  results["data"].erase("target");
  EXPECT_TRUE(about(results, "DSM(obs)", "target of").empty());
}

TEST(Findings, PreferCorrectedShares) {
  Json results = two_methods();
  for (Json& entry : results["methods"][0]["shares"])
    entry["corrected"] = interval(0.5, 0.45, 0.55);
  EXPECT_TRUE(about(results, "DSM(obs)", "follows the bias").empty());
}

TEST(Findings, RankMethodsAndSayWhichAreNotDistinguishable) {
  Json results = two_methods();
  Json third{
      {"name", "iw_dsm"}, {"title", "IW-DSM"}, {"total_variation", variation(0.06, 0.04, 0.09)}};
  results["methods"].push_back(third);
  const auto found = about(results, "TIW-DSM", "Closest to the target");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].text.find("Not distinguishable from it: IW-DSM 0.06 (0.04 to 0.09)."),
            std::string::npos);
  EXPECT_NE(found[0].text.find("Behind: DSM(obs) 0.3 (0.27 to 0.33)."), std::string::npos);
}

TEST(Findings, CallCopyingByItsIntervalAlone) {
  Json results = two_methods();
  Json& nearest = results["methods"][0]["nearest_reference"];
  nearest = {{"median", 2.0},
             {"heldout_median", 8.0},
             {"share_interval", interval(0.3, 0.26, 0.34)},
             {"share_exact", 0.01}};
  const auto found = about(results, "DSM(obs)", "copying");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].severity, Severity::kHigh);
  nearest["share_interval"] = interval(0.08, 0.06, 0.1);
  EXPECT_TRUE(about(results, "DSM(obs)", "copying").empty());
  EXPECT_EQ(about(results, "DSM(obs)", "lie closer to training images").at(0).severity,
            Severity::kMedium);
  nearest["share_interval"] = interval(0.06, 0.04, 0.08);
  EXPECT_TRUE(about(results, "DSM(obs)", "lie closer to training images").empty());
}

TEST(Findings, SetCoverageAgainstWhatRealImagesWouldReach) {
  Json results = two_methods();
  Json coverage = interval(0.3, 0.28, 0.32);
  coverage["expected"] = 0.97;
  results["methods"][1]["coverage"] = coverage;
  EXPECT_EQ(about(results, "TIW-DSM", "reaches only 30.0 %").size(), 1u);
  results["methods"][1]["coverage"]["expected"] = 0.5;
  EXPECT_TRUE(about(results, "TIW-DSM", "reaches only").empty());
}

TEST(Findings, SayAWarningOfAllMethodsOnce) {
  Json results = two_methods();
  for (Json& method : results["methods"]) {
    method["frechet"] = interval(1.5, 1.2, 1.8);
    method["frechet"]["warnings"] = {"100 samples for 128 features"};
    method["frechet"]["floor"] = {{"value", 1.0}};
  }
  EXPECT_EQ(about(results, "Fréchet distance", "100 samples").size(), 1u);
  EXPECT_EQ(about(results, "DSM(obs)", "differences there mean little").size(), 1u);
}

TEST(Findings, WeighTheClassifier) {
  Json results = two_methods();
  results["classifier"] = {{"confusion", {{90, 10}, {60, 40}}}};
  const auto overall = about(results, "classifier", "is right on 65.0 %");
  ASSERT_EQ(overall.size(), 1u);
  EXPECT_EQ(overall[0].severity, Severity::kHigh);
  EXPECT_EQ(about(results, "classifier", "recognises only 40.0 %").size(), 1u);
  results["classifier"]["confusion"] = {{99, 1}, {1, 99}};
  EXPECT_EQ(about(results, "classifier", "is right on").at(0).severity, Severity::kInfo);
}

TEST(Findings, ComeWorstFirstAndSurviveMissingParts) {
  const auto findings = find_all(two_methods());
  EXPECT_TRUE(
      std::is_sorted(findings.begin(), findings.end(),
                     [](const Finding& a, const Finding& b) { return a.severity < b.severity; }));
  EXPECT_EQ(to_json(findings)[0]["severity"], "high");
  EXPECT_TRUE(find_all(Json::object()).empty());
  EXPECT_TRUE(find_all({{"methods", {{{"name", "bare"}}}}}).empty());
}

TEST(Findings, RefuseAMalformedInterval) {
  Json results = two_methods();
  results["methods"][0]["shares"][0]["raw"] = "high";
  EXPECT_THROW(find_all(results), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
