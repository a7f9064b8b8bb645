#include "report/html.h"

#include <gtest/gtest.h>

namespace equipoise::report {
namespace {

TEST(Html, TextIsEscapedWhereverItComesIn) {
  EXPECT_EQ(element("p", {}, "<script>&\"'").str(), "<p>&lt;script&gt;&amp;&quot;&#39;</p>\n");
}

TEST(Html, AttributesAreEscaped) {
  EXPECT_EQ(void_element("img", {{"alt", "\"><script>"}}).str(),
            "<img alt=\"&quot;&gt;&lt;script&gt;\">\n");
}

TEST(Html, ElementsNestWithoutBeingEscapedAgain) {
  Html content = element("b", {}, "a & b");
  content += "<";
  EXPECT_EQ(element("p", {}, content).str(), "<p><b>a &amp; b</b>\n&lt;</p>\n");
}

}  // namespace
}  // namespace equipoise::report
