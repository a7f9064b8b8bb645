// Opens a report in headless Chromium and looks at what became of it.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accessibility.h"
#include "browser.h"
#include "core/libtorch.h"
#include "io/files.h"
#include "io/npy.h"
#include "io/scratch_folder.h"
#include "report/assets.h"
#include "report/comparison_report.h"
#include "report/html_report.h"

namespace equipoise::report {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct ReportPageTest : testing::Test {
  io::ScratchFolder folder;

  void SetUp() override {
    if (chromium_program().empty())
      GTEST_SKIP() << "Chromium is not installed (Debian package chromium)";
    if (chart_library().empty())
      GTEST_SKIP() << "built without npm: the report has no charts to look at";
    fs::create_directories(folder / "run/samples");
    fs::copy_file(fs::path(EQUIPOISE_SOURCE_DIR) / "tests/report/fixture/results.json",
                  folder / "run/results.json");
    for (const char* method : {"dsm_obs", "tiw_dsm"}) {
      const at::Tensor images = torch::arange(12 * 16, at::kByte).view({12, 4, 4, 1});
      io::write_npz(folder / "run/samples" / (std::string(method) + ".npz"), {{"arr_0", images}});
    }
    write_report(folder / "run", folder / "report.html");
  }
  std::string address() const { return "file://" + (folder / "report.html").string(); }

  /// Puts a comparison of the run with a copy of it in the report's place.
  void compare() {
    fs::copy(folder / "run", folder / "again", fs::copy_options::recursive);
    write_comparison(compare_runs({folder / "run", folder / "again"}, ""), folder / "report.html");
  }

  /// The report with `script` at its end.
  void add_script(const std::string& script) {
    std::string page = io::read_file(folder / "report.html");
    page.insert(page.rfind("</body>"), "<script>" + script + "</script>");
    io::write_file_atomically(folder / "report.html", page);
  }
};

TEST_F(ReportPageTest, EveryChartIsDrawnAndTheConsoleIsSilent) {
  const OpenedPage page = open_page(address(), folder.path());
  const size_t num_charts = count(page.elements, "<div class=\"plot");
  EXPECT_GT(num_charts, 15u);
  EXPECT_EQ(count(page.elements, "<svg "), num_charts);
  EXPECT_THAT(page.elements, HasSubstr("data-charts=\"drawn\""));
  EXPECT_THAT(page.elements, Not(HasSubstr("plot failed")));
  EXPECT_THAT(page.log, Not(HasSubstr(":CONSOLE")));
}

TEST_F(ReportPageTest, AComparisonIsDrawnToo) {
  compare();
  const OpenedPage page = open_page(address(), folder.path());
  EXPECT_EQ(count(page.elements, "<svg "), 2u);
  EXPECT_THAT(page.elements, HasSubstr("data-charts=\"drawn\""));
  EXPECT_THAT(page.elements, Not(HasSubstr("plot failed")));
  EXPECT_THAT(page.log, Not(HasSubstr(":CONSOLE")));
}

TEST_F(ReportPageTest, IsAccessibleInLightAndDark) {
  const std::string script = axe_script();
  if (script.empty()) GTEST_SKIP() << "axe-core is not installed (npm, tools/report_assets)";
  const auto check = [&] {
    add_script(script);
    for (const ColourScheme scheme : {ColourScheme::kLight, ColourScheme::kDark})
      EXPECT_THAT(serious_violations(open_page(address(), folder.path(), scheme), scheme),
                  IsEmpty());
  };
  check();
  compare();
  check();
}

}  // namespace
}  // namespace equipoise::report
