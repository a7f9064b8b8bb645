#include "serve/watch_app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "io/scratch_folder.h"
#include "serve/made_up_run.h"
#include "serve/watch_page.h"

namespace equipoise::serve {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct WatchAppTest : testing::Test {
  io::ScratchFolder scratch;
  std::unique_ptr<WatchApp> app;

  void SetUp() override {
    make_up_run(scratch / "one");
    make_up_run(scratch / "two");
    io::write_file_atomically(scratch / "one/report.html", "<!doctype html>the report");
    io::write_file_atomically(scratch / "secret.png", "secret");
    app = std::make_unique<WatchApp>(std::vector<fs::path>{scratch / "one", scratch / "two"});
  }
  std::string body(const std::string& path) const {
    const Response response = app->respond({.path = path});
    EXPECT_EQ(response.status, 200) << path;
    return response.body;
  }
  nlohmann::json parts(const std::string& run) const {
    return nlohmann::json::parse(
        app->respond({.path = "/api/parts", .query = {{"run", run}}}).body);
  }
};

TEST_F(WatchAppTest, ThePageShowsRunsCurvesAndSamplesAndEscapesThem) {
  const std::string page = body("/");
  EXPECT_THAT(page, HasSubstr("dsm: 50 % of 1,000 images"));
  EXPECT_THAT(page, HasSubstr("two, held out"));
  EXPECT_THAT(page, HasSubstr("/runs/1/samples/dsm.png?changed="));
  EXPECT_THAT(page, HasSubstr("href=\"/runs/0/report.html\""));
  EXPECT_THAT(page, HasSubstr("Stripes &lt;b&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("Stripes <b>")));
  EXPECT_THAT(page, Not(HasSubstr("http")));
}

TEST_F(WatchAppTest, OnlyChosenRunsAreCompared) {
  const nlohmann::json second = parts("1"), none = parts("none");
  EXPECT_THAT(second.at("curves"), HasSubstr("two, held out"));
  EXPECT_THAT(second.at("curves"), Not(HasSubstr("one, held out")));
  EXPECT_THAT(second.at("samples"), Not(HasSubstr("/runs/0/")));
  EXPECT_THAT(second.at("runs"), HasSubstr("for=\"run-0\""));
  EXPECT_THAT(none.at("curves"), HasSubstr("Nothing has been trained yet."));
}

TEST_F(WatchAppTest, TheJsonNamesItsFormat) {
  const nlohmann::json json = nlohmann::json::parse(body("/api/runs"));
  EXPECT_EQ(json.at("format"), "equipoise-serve/1");
  EXPECT_EQ(json.at("runs").size(), 2u);
  EXPECT_EQ(nlohmann::json::parse(body("/api/runs/1")).at("name"), "two");
}

TEST_F(WatchAppTest, GivesReportsAndGridsWithWhatTheyMayDo) {
  const Response report = app->respond({.path = "/runs/0/report.html"});
  EXPECT_EQ(report.body, "<!doctype html>the report");
  EXPECT_THAT(report.policy, HasSubstr("sandbox"));
  const Response grid = app->respond({.path = "/runs/1/samples/dsm.png"});
  EXPECT_EQ(grid.type, "image/png");
  EXPECT_EQ(grid.body, io::read_file(scratch / "two/samples/dsm.png"));
  EXPECT_THAT(app->respond({.path = "/"}).policy, HasSubstr("default-src 'none'"));
}

TEST_F(WatchAppTest, GivesNothingElse) {
  fs::create_symlink(scratch / "secret.png", scratch / "one/samples/link.png");
  fs::create_directories(scratch / "one/samples/sub");
  io::write_file_atomically(scratch / "one/samples/sub/a.png", "a");
  io::write_file_atomically(scratch / "one/samples/dsm.npz", "samples");
  for (const std::string path : {"/runs/0/samples/../../secret.png",
                                 "/runs/0/../secret.png",
                                 "/runs/0//secret.png",
                                 "/runs/0/samples/link.png",
                                 "/runs/0/samples/sub/a.png",
                                 "/runs/0/samples/dsm.npz",
                                 "/runs/0/config.toml",
                                 "/runs/0/samples/",
                                 "/runs/0/",
                                 "/runs/0",
                                 "/runs/",
                                 "/runs/2/report.html",
                                 "/runs/1/report.html",
                                 "/runs/-1/report.html",
                                 "/runs/0x0/report.html",
                                 "/runs/99999999999999999999/report.html",
                                 "/api/runs/7",
                                 "/api/runs/0/x",
                                 "/assets/../etc/passwd",
                                 "/etc/passwd",
                                 "",
                                 "//"}) {
    const Response response = app->respond({.path = path});
    EXPECT_EQ(response.status, 404) << path;
    EXPECT_THAT(response.body, Not(HasSubstr("secret"))) << path;
  }
}

TEST(WatchPage, ChoosesTheRunsThatChangedLast) {
  std::vector<RunView> runs(8);
  for (size_t i = 0; i < runs.size(); ++i) {
    runs[i].id = i;
    runs[i].changed_sec = i < 2 ? 0 : 100 - static_cast<int64_t>(i);
  }
  EXPECT_THAT(default_choice(runs), ElementsAre(2, 3, 4, 5, 6, 7));
}

}  // namespace
}  // namespace equipoise::serve
