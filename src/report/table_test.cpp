#include "report/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace equipoise::report {
namespace {

using testing::HasSubstr;

const Table kTable = {.caption = "Shares",
                      .columns = {{"Class"}, {"Share", true}},
                      .rows = {{.cells = {"<b>", "10 %"}}, {.cells = {"a|b", "90 %"}, .hue = 1}}};

TEST(Table, CellsAreEscapedHeadersScopedAndNumbersMarked) {
  const std::string html = to_html(kTable).str();
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">&lt;b&gt;</th>"));
  EXPECT_THAT(html, HasSubstr("<th class=\"number\" scope=\"col\">Share</th>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"number\">10 %</td>"));
  EXPECT_THAT(html, HasSubstr("<caption>Shares</caption>"));
}

TEST(Table, AHueMarksItsRow) {
  EXPECT_THAT(to_html(kTable).str(), HasSubstr("var(--method-1)"));
}

TEST(Table, WideTablesCanBeScrolledByKeyboard) {
  EXPECT_THAT(to_html(kTable).str(), HasSubstr("tabindex=\"0\""));
}

TEST(Table, MarkdownKeepsEachCellInItsColumn) {
  EXPECT_EQ(to_markdown(kTable),
            "| Class | Share |\n| --- | ---: |\n| \\<b\\> | 10 % |\n| a\\|b | 90 % |\n");
}

}  // namespace
}  // namespace equipoise::report
