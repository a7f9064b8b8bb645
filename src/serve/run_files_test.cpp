#include "serve/run_files.h"

#include <sys/stat.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "io/files.h"
#include "io/scratch_folder.h"

namespace equipoise::serve {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct RunFilesTest : testing::Test {
  io::ScratchFolder scratch;
  const fs::path run = scratch / "run";
  const RunFiles files{run};

  void SetUp() override {
    fs::create_directories(run / "samples");
    std::ofstream(run / "config.toml") << "seed = 0\n";
    std::ofstream(run / "samples/b.png") << "b";
    std::ofstream(run / "samples/a.png") << "a";
    std::ofstream(scratch / "secret") << "secret";
  }
};

TEST_F(RunFilesTest, ReadsWhatIsInTheFolder) {
  EXPECT_EQ(files.read("config.toml"), "seed = 0\n");
  EXPECT_EQ(files.read("samples/a.png"), "a");
  EXPECT_TRUE(files.changed_sec("samples/a.png").has_value());
  EXPECT_EQ(files.read("missing"), std::nullopt);
  EXPECT_EQ(files.read("samples"), std::nullopt) << "a folder";
}

TEST_F(RunFilesTest, ReadsNothingOutsideItWhateverTheName) {
  const std::string secret = (scratch / "secret").string();
  ASSERT_EQ(io::read_file(run / "../secret"), "secret");
  for (const std::string& name :
       {"../secret"s, "samples/../../secret"s, "samples/../config.toml"s, "./config.toml"s,
        "/etc/passwd"s, secret, "/"s + secret, ""s, "/"s, "samples/"s, "samples//a.png"s,
        "config.toml/"s, ".."s, "."s, "config.toml\0"s, "\0../secret"s, "..\\secret"s,
        "%2e%2e/secret"s, "..%2fsecret"s}) {
    EXPECT_EQ(files.read(name), std::nullopt) << name;
    EXPECT_EQ(files.changed_sec(name), std::nullopt) << name;
  }
  EXPECT_THAT(files.names_in(".."), IsEmpty());
  EXPECT_THAT(files.names_in("samples/.."), IsEmpty());
}

TEST_F(RunFilesTest, FollowsNoLink) {
  fs::create_symlink(scratch / "secret", run / "results.json");
  fs::create_symlink("config.toml", run / "inside");
  fs::create_symlink(scratch / "secret", run / "samples/c.png");
  fs::create_directory_symlink(scratch.path(), run / "models");
  EXPECT_EQ(files.read("results.json"), std::nullopt);
  EXPECT_EQ(files.read("inside"), std::nullopt);
  EXPECT_EQ(files.read("samples/c.png"), std::nullopt);
  EXPECT_EQ(files.read("models/secret"), std::nullopt);
  EXPECT_THAT(files.names_in("models"), IsEmpty());
  EXPECT_THAT(files.names_in("samples"), ElementsAre("a.png", "b.png"));
}

TEST_F(RunFilesTest, MayItselfBeReachedOverALink) {
  fs::create_directory_symlink(run, scratch / "latest");
  EXPECT_EQ(RunFiles(scratch / "latest").read("config.toml"), "seed = 0\n");
}

TEST_F(RunFilesTest, DoesNotWaitForAPipe) {
  ASSERT_EQ(::mkfifo((run / "stats.jsonl").c_str(), 0600), 0);
  EXPECT_EQ(files.read("stats.jsonl"), std::nullopt);
}

TEST_F(RunFilesTest, TellsWhetherARunHoldsTheFolderAndLetsItBe) {
  if (!fs::exists("/proc/locks")) GTEST_SKIP() << "this system has no /proc/locks";
  EXPECT_FALSE(files.is_held());
  {
    const io::FileLock lock(run);
    EXPECT_TRUE(files.is_held());
  }
  EXPECT_FALSE(files.is_held());
}

}  // namespace
}  // namespace equipoise::serve
