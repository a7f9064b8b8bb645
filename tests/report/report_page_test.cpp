// Opens a report in headless Chromium and looks at what became of it.
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/libtorch.h"
#include "io/files.h"
#include "io/npy.h"
#include "report/assets.h"
#include "report/html_report.h"

namespace equipoise::report {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

std::string chromium_program() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (std::system((std::string("command -v ") + name + " > /dev/null 2>&1").c_str()) == 0)
      return name;
  }
  return "";
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
    ++found;
  return found;
}

std::string without_scripts(std::string page) {
  for (size_t begin = page.find("<script"); begin != std::string::npos;
       begin = page.find("<script", begin))
    page.erase(begin, page.find("</script>", begin) + 9 - begin);
  return page;
}

struct ReportPageTest : testing::Test {
  fs::path folder =
      fs::temp_directory_path() / ("equipoise_report_page_" + std::to_string(getpid()));
  std::string chromium = chromium_program();

  void SetUp() override {
    if (chromium.empty()) GTEST_SKIP() << "Chromium is not installed (Debian package chromium)";
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
  void TearDown() override { fs::remove_all(folder); }

  /// The page's elements once its scripts have run; what the console said goes to `log`.
  std::string open_page(std::string& log) {
    const std::string command = "timeout 120 " + chromium +
                                " --headless --no-sandbox --disable-gpu --disable-quic "
                                "--no-first-run --disable-background-networking"
                                " --disable-component-update --disable-sync "
                                "--disable-dev-shm-usage --virtual-time-budget=20000"
                                " --enable-logging=stderr --user-data-dir='" +
                                (folder / "profile").string() + "' --dump-dom 'file://" +
                                (folder / "report.html").string() + "' > '" +
                                (folder / "page").string() + "' 2> '" + (folder / "log").string() +
                                "'";
    const int status = std::system(command.c_str());
    log = io::read_file(folder / "log");
    EXPECT_EQ(status, 0) << log;
    return without_scripts(io::read_file(folder / "page"));
  }
};

TEST_F(ReportPageTest, EveryChartIsDrawnAndTheConsoleIsSilent) {
  std::string log;
  const std::string page = open_page(log);
  const size_t num_charts = count(page, "<div class=\"plot");
  EXPECT_GT(num_charts, 15u);
  EXPECT_EQ(count(page, "<svg "), num_charts);
  EXPECT_THAT(page, HasSubstr("data-charts=\"drawn\""));
  EXPECT_THAT(page, Not(HasSubstr("plot failed")));
  EXPECT_THAT(log, Not(HasSubstr(":CONSOLE")));
}

}  // namespace
}  // namespace equipoise::report
