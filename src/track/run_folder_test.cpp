#include "track/run_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/error.h"

namespace equipoise::track {
namespace {

namespace fs = std::filesystem;

struct RunFolderTest : testing::Test {
  fs::path base = fs::temp_directory_path() / ("equipoise_run_folder_" + std::to_string(getpid()));
  void SetUp() override { fs::create_directories(base); }
  void TearDown() override { fs::remove_all(base); }
};

TEST_F(RunFolderTest, MakesItselfAndItsSubfolders) {
  const RunFolder folder(base / "a" / "b");
  EXPECT_TRUE(fs::is_directory(base / "a" / "b" / "models"));
  EXPECT_EQ(folder.samples("tiw_dsm"), base / "a" / "b" / "samples" / "tiw_dsm.npz");
}

TEST_F(RunFolderTest, RefusesAFolderInUseAndTakesItOnceFree) {
  {
    const RunFolder first(base / "run");
    EXPECT_THROW(RunFolder(base / "run"), EnvironmentError);
  }
  EXPECT_NO_THROW(RunFolder(base / "run"));
}

TEST_F(RunFolderTest, ClearsWhatAKilledRunLeftHalfWritten) {
  { const RunFolder first(base / "run"); }
  const fs::path half = base / "run" / "models" / ".dsm.safetensors.17-0.tmp",
                 whole = base / "run" / "models" / "dsm.safetensors";
  std::ofstream(half) << "half";
  std::ofstream(whole) << "whole";
  const RunFolder second(base / "run");
  EXPECT_FALSE(fs::exists(half));
  EXPECT_TRUE(fs::exists(whole));
}

TEST_F(RunFolderTest, RefusesAFileInItsPlace) {
  std::ofstream(base / "file") << "text";
  try {
    RunFolder folder(base / "file");
    FAIL() << "a file was taken for a run folder";
  } catch (const EnvironmentError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("cannot be made"));
    EXPECT_THAT(error.what(), testing::HasSubstr("--out"));
  }
}

}  // namespace
}  // namespace equipoise::track
