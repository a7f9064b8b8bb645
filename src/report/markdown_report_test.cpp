#include "report/markdown_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace equipoise::report {
namespace {

using testing::HasSubstr;

TEST(MarkdownReport, PutsTheWorstFindingFirst) {
  const Json results = {
      {"findings",
       {{{"severity", "info"}, {"subject", "A"}, {"text", "fine"}},
        {{"severity", "high"}, {"subject", "B"}, {"text", "bad"}, {"limits", "one seed"}}}}};
  const std::string text = report_markdown(results);
  EXPECT_LT(text.find("**high**, B: bad Limits: one seed"), text.find("**info**, A: fine"));
}

TEST(MarkdownReport, TablesHoldEveryMethod) {
  const Json results =
      load_results(std::filesystem::path(EQUIPOISE_SOURCE_DIR) / "tests/report/fixture");
  const std::string text = report_markdown(results);
  EXPECT_THAT(text, HasSubstr("| TIW-DSM |"));
  EXPECT_THAT(text, HasSubstr("## Class shares of the samples"));
  EXPECT_THAT(text, HasSubstr("## Time per stage"));
}

TEST(MarkdownReport, OfEmptyResultsIsStillAReport) {
  EXPECT_THAT(report_markdown(Json::object()), HasSubstr("No findings were recorded."));
}

}  // namespace
}  // namespace equipoise::report
