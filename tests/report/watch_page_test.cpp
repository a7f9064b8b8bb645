// Opens the page of `equipoise serve` in headless Chromium while a made-up run goes on.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accessibility.h"
#include "browser.h"
#include "io/files.h"
#include "io/scratch_folder.h"
#include "report/assets.h"
#include "report/html_report.h"
#include "serve/http_server.h"
#include "serve/made_up_run.h"
#include "serve/watch_app.h"

namespace equipoise::serve {
namespace {

namespace fs = std::filesystem;
using report::ColourScheme;
using report::OpenedPage;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct WatchPageTest : testing::Test {
  io::ScratchFolder folder;
  const std::string axe = report::axe_script();

  void SetUp() override {
    if (report::chromium_program().empty())
      GTEST_SKIP() << "Chromium is not installed (Debian package chromium)";
    if (report::chart_library().empty())
      GTEST_SKIP() << "built without npm: the page has no charts to look at";
    make_up_run(folder / "one");
    make_up_run(folder / "two");
    fs::copy_file(fs::path(EQUIPOISE_SOURCE_DIR) / "tests/report/fixture/results.json",
                  folder / "one/results.json");
    report::write_report(folder / "one", folder / "one/report.html");
  }
  OpenedPage open(const HttpServer& server, const std::string& path,
                  ColourScheme scheme = ColourScheme::kLight) {
    return report::open_page(server.url() + path, folder.path(), scheme);
  }
};

TEST_F(WatchPageTest, DrawsItsChartsAndFollowsARunWithoutAWord) {
  WatchApp app({folder / "one", folder / "two"});
  std::atomic<int> num_refreshes = 0;
  const HttpServer server(0, [&](const Request& request) {
    if (request.path == "/api/parts" && num_refreshes++ == 0)  // the line that was torn is written
      std::ofstream(folder / "two/stats.jsonl", std::ios::app) << "ges\":900,\"loss\":0.125}\n";
    return app.respond(request);
  });
  const OpenedPage page = open(server, "");
  EXPECT_GT(num_refreshes, 1);
  EXPECT_THAT(page.elements, HasSubstr("dsm: 90 % of 1,000 images"));
  const size_t num_charts = report::count(page.elements, "<div class=\"plot");
  EXPECT_EQ(num_charts, 2u) << "one a stage";
  EXPECT_EQ(report::count(page.elements, "<svg "), num_charts);
  EXPECT_THAT(page.elements, Not(HasSubstr("plot failed")));
  EXPECT_THAT(page.elements, Not(HasSubstr("gives no answer")));
  EXPECT_THAT(page.log, Not(HasSubstr(":CONSOLE")));
}

TEST_F(WatchPageTest, ShowsAReportWithItsChartsButNoAccess) {
  WatchApp app({folder / "one"});
  const HttpServer server(0, [&](const Request& request) { return app.respond(request); });
  const OpenedPage page = open(server, "runs/0/report.html");
  EXPECT_THAT(page.elements, HasSubstr("data-charts=\"drawn\""));
  EXPECT_THAT(page.elements, Not(HasSubstr("plot failed")));
}

TEST_F(WatchPageTest, IsAccessibleInLightAndDark) {
  if (axe.empty()) GTEST_SKIP() << "axe-core is not installed (npm, tools/report_assets)";
  WatchApp app({folder / "one", folder / "two"});
  const HttpServer server(0, [&](const Request& request) -> Response {
    if (request.path == "/axe.js") return {.type = "text/javascript", .body = axe};
    Response response = app.respond(request);
    if (request.path == "/")
      response.body.insert(response.body.rfind("</body>"), "<script src=\"/axe.js\"></script>");
    return response;
  });
  for (const ColourScheme scheme : {ColourScheme::kLight, ColourScheme::kDark})
    EXPECT_THAT(report::serious_violations(open(server, "", scheme), scheme), IsEmpty());
}

}  // namespace
}  // namespace equipoise::serve
