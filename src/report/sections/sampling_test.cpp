// What the page says of models that were sampled in more than one way.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/sections.h"

namespace equipoise::report {
namespace {

using testing::HasSubstr;
using testing::Not;

Json run_of_two_ways() {
  return Json::parse(R"({
    "methods": [
      {"name": "base", "title": "Base", "samples": {"num": 200, "seconds": 4,
        "sampler": {"type": "heun", "steps": 18}, "guidance": [],
        "calls": {"mean": 35, "mean_of_last_attempt": 35},
        "network_calls": {"denoiser": 7000, "guidance": 0, "rejection": 0}}},
      {"name": "tested", "title": "Tested", "of": "base", "samples": {"num": 200, "seconds": 9,
        "sampler": {"type": "heun", "steps": 18}, "guidance": [{"type": "discriminator", "weight": 1}],
        "calls": {"mean": 41.5, "mean_of_last_attempt": 38,
                  "histogram": [{"calls": 35, "images": 150}, {"calls": 61, "images": 50}]},
        "network_calls": {"denoiser": 8300, "guidance": 6000, "rejection": 2200},
        "rejection": {"percentile": 0.75, "counts": {"tested": [400, 0, 250], "accepted": [300, 0, 200]}}}}],
    "guides": {"base": {"levels": [
      {"sigma": 0.1, "bce": 0.61, "log_ratio_biased": -0.375, "log_ratio_reference": 0.25},
      {"sigma": 10, "bce": 0.69, "log_ratio_biased": -0.0625, "log_ratio_reference": 0.125}]}}
  })");
}

std::string page_of(const Json& results) {
  return sampling_section(results).body.str();
}

TEST(SamplingSection, StaysAwayWhereEveryModelWasSampledOnce) {
  Json results = run_of_two_ways();
  results["methods"][1].erase("of");
  EXPECT_EQ(page_of(results), "");
}

TEST(SamplingSection, SaysHowEachWasSampledAndWhatAnImageCost) {
  const std::string page = page_of(run_of_two_ways());
  EXPECT_THAT(page, HasSubstr("discriminator (weight = 1)"));
  EXPECT_THAT(page, HasSubstr("percentile 0.750"));
  // (6,000 + 2,200) calls of the discriminator, 9 s for 200 images.
  for (const char* number : {">41.5<", ">38.0<", ">41.0<", ">45.0<", ">35.0<", ">20.0<"})
    EXPECT_THAT(page, HasSubstr(number));
}

TEST(SamplingSection, DrawsAcceptanceCallsAndLogRatios) {
  const std::string page = page_of(run_of_two_ways());
  for (const char* title : {"Acceptance by level", "What images cost",
                            "What the discriminators know", "What the discriminators say"})
    EXPECT_THAT(page, HasSubstr(title));
  // Level 1 was never tested, so it has no share.
  EXPECT_THAT(page, HasSubstr(">0.750<"));
  EXPECT_THAT(page, HasSubstr(">0.800<"));
  EXPECT_THAT(page, HasSubstr("Base: real images"));
  EXPECT_THAT(page, HasSubstr(">-0.375<"));
}

TEST(SamplingSection, BinsCallsSoThatOddAndEvenNumbersMakeNoComb) {
  Json results = run_of_two_ways();
  Json& histogram = results["methods"][1]["samples"]["calls"]["histogram"];
  histogram = Json::array();
  // 35 … 98 in steps of 2: 64 numbers of calls, bins of 3.
  for (int calls = 35; calls < 99; calls += 2)
    histogram.push_back({{"calls", calls}, {"images", calls == 35 ? 138 : 2}});
  const std::string page = page_of(results);
  EXPECT_THAT(page, HasSubstr(">36.0<")) << "the middle of 35, 36, 37";
  EXPECT_THAT(page, HasSubstr(">0.700<")) << "140 of 200";
  EXPECT_THAT(page, Not(HasSubstr(">35<")));
}

TEST(SamplingSection, LeavesOutFiguresWithoutNumbers) {
  Json results = run_of_two_ways();
  results["methods"][1]["samples"].erase("rejection");
  results.erase("guides");
  const std::string page = page_of(results);
  EXPECT_THAT(page, Not(HasSubstr("Acceptance")));
  EXPECT_THAT(page, Not(HasSubstr("What the discriminators")));
}

}  // namespace
}  // namespace equipoise::report
