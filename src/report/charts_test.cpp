#include "report/charts.h"

#include <functional>

#include <gtest/gtest.h>

#include "report/figure.h"

namespace equipoise::report {
namespace {

/// All strings in a specification.
void visit_strings(const Json& json, const std::function<void(const std::string&)>& visit) {
  if (json.is_string()) visit(json.get<std::string>());
  if (json.is_structured())
    for (const Json& item : json) visit_strings(item, visit);
}

std::vector<Json> examples() {
  const Estimate half = {0.5, 0.4, 0.6};
  return {estimates_chart({{"A", 0, half}, {"B", 1, {0.2}}}, {.title = "distance"}, 0.1),
          shares_chart({{"cat", half, std::nullopt, 0.5}}, 2, 1),
          composition_chart({{"biased", "cat", 0.9}, {"reference", "cat", 0.5}}, {{"cat", 0.5}}),
          lines_chart({{"A", method_colour(0), false, {{1, 2}}}}, {.title = "x"}, {.title = "y"},
                      {{Guide::Direction::kVertical, 1, "here"}}),
          calibration_chart({{0.5, 0.4, 10}}),
          histograms_chart({0, 1, 2}, {3, 1}, {1, 1}, {.title = "weight"}),
          quantiles_chart({{1, 0.1, 0.2, 0.5, 0.7, 0.9}}, {.title = "x"}, {.title = "y"}),
          confusion_chart({"cat"}, {{0.9, 0.1}, {0.2, 0.8}}, "predicted class")};
}

TEST(Charts, FitTheirColumnAndHoldTheirOwnData) {
  for (const Json& spec : examples()) {
    EXPECT_EQ(spec["width"], "container") << spec;
    EXPECT_FALSE(spec.dump().find("\"values\":[") == std::string::npos) << spec;
  }
}

TEST(Charts, NameNoAddressAndNoFixedColour) {
  for (const Json& spec : examples()) {
    visit_strings(spec, [](const std::string& text) {
      EXPECT_EQ(text.find("://"), std::string::npos) << text;
      EXPECT_NE(text.front(), '#') << text;
    });
  }
}

TEST(Charts, HistogramsAreSharesOfTheirOwnSet) {
  const Json spec = histograms_chart({0, 1, 2}, {30, 10}, {1, 1}, {.title = "weight"});
  EXPECT_EQ(spec["data"]["values"][0]["share"], 0.75);
  EXPECT_EQ(spec["data"]["values"][2]["share"], 0.5);
}

TEST(Charts, ABareValueHasNoInterval) {
  const Json spec = shares_chart({{"cat", Estimate{0.5}, std::nullopt, std::nullopt}}, 0, 1);
  EXPECT_TRUE(spec["data"]["values"][0]["low"].is_null());
}

TEST(Figure, DataCannotEndTheScriptThatHoldsIt) {
  const std::string text = script_json({{"class", "</script><script>alert(1)"}});
  EXPECT_EQ(text.find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(text)["class"], "</script><script>alert(1)");
}

TEST(Figure, BringsTheNumbersBehindIt) {
  const std::string html =
      to_html(Figure{.title = "T",
                     .caption = "C",
                     .panels = {{"", "what it shows", calibration_chart({})}},
                     .data = {.caption = "D", .columns = {{"x"}}, .rows = {{.cells = {"7"}}}}})
          .str();
  EXPECT_NE(html.find("<details"), std::string::npos);
  EXPECT_NE(html.find(">7<"), std::string::npos);
}

}  // namespace
}  // namespace equipoise::report
