#include "serve/run_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/error.h"
#include "io/scratch_folder.h"

namespace equipoise::serve {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

struct RunListTest : testing::Test {
  io::ScratchFolder scratch;

  fs::path make_run(const std::string& name) {
    fs::create_directories(scratch / name);
    std::ofstream(scratch / name / "config.toml") << "seed = 0\n";
    return scratch / name;
  }
  static std::vector<fs::path> folders_of(RunList& list) {
    std::vector<fs::path> folders;
    for (const RunFiles& run : list.runs()) folders.push_back(run.folder());
    return folders;
  }
};

TEST_F(RunListTest, HoldsRunsAndTheRunsOfAFolder) {
  const fs::path single = make_run("single"), b = make_run("many/b"), c = make_run("many/c");
  fs::create_directories(scratch / "many/none");
  RunList list({single, scratch / "many"});
  EXPECT_THAT(folders_of(list), ElementsAre(single, b, c));
}

TEST_F(RunListTest, KeepsARunsPlaceWhenOthersBegin) {
  const fs::path b = make_run("many/b");
  RunList list({scratch / "many"});
  EXPECT_THAT(folders_of(list), ElementsAre(b));
  const fs::path a = make_run("many/a");
  EXPECT_THAT(folders_of(list), ElementsAre(b, a));
}

TEST_F(RunListTest, LeavesOutLinksAndNamesARunOnce) {
  const fs::path run = make_run("many/run");
  make_run("elsewhere");
  fs::create_directory_symlink(scratch / "elsewhere", scratch / "many/link");
  RunList list({scratch / "many", run});
  EXPECT_THAT(folders_of(list), ElementsAre(run));
}

TEST_F(RunListTest, RefusesWhatIsNoFolder) {
  std::ofstream(scratch / "file") << "text";
  EXPECT_THROW(RunList({}), UsageError);
  EXPECT_THROW(RunList({scratch / "missing"}), DataError);
  EXPECT_THROW(RunList({scratch / "file"}), DataError);
}

}  // namespace
}  // namespace equipoise::serve
