#include "track/stats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/error.h"
#include "io/files.h"
#include "io/json_lines.h"

namespace equipoise::track {
namespace {

namespace fs = std::filesystem;

struct StatsTest : testing::Test {
  fs::path path =
      fs::temp_directory_path() / ("equipoise_stats_" + std::to_string(getpid()) + ".jsonl");
  void SetUp() override { fs::remove(path); }
  void TearDown() override { fs::remove(path); }
};

TEST_F(StatsTest, WritesEachRecordAtOnce) {
  StatsWriter stats(path);
  stats.append({{"images", 128}, {"loss", 0.5}});
  EXPECT_EQ(io::read_file(path), "{\"images\":128,\"loss\":0.5}\n");
}

TEST_F(StatsTest, ANewRunStartsAnEmptyFile) {
  std::ofstream(path) << "{\"old\":1}\n";
  const StatsWriter stats(path);
  EXPECT_EQ(io::read_file(path), "");
}

TEST_F(StatsTest, AResumedRunsFileEqualsAnUninterruptedOnes) {
  int64_t checkpoint = 0;
  {
    StatsWriter stats(path);
    stats.append({{"step", 1}});
    checkpoint = stats.sync();
    stats.append({{"step", 2}, {"lost", true}});
  }
  std::ofstream(path, std::ios::app) << "{\"step\": 3, \"to";  // killed in the middle of a line
  {
    StatsWriter stats(path, checkpoint);
    stats.append({{"step", 2}});
    EXPECT_EQ(stats.sync(), checkpoint + 11);
  }
  EXPECT_EQ(io::read_file(path), "{\"step\":1}\n{\"step\":2}\n");
}

TEST_F(StatsTest, HandsEachRecordToItsObserver) {
  std::vector<std::string> seen;
  StatsWriter stats(path);
  stats.observe([&](const nlohmann::ordered_json& record) { seen.push_back(record.dump()); });
  stats.append({{"step", 1}});
  stats.append({{"step", 2}});
  EXPECT_THAT(seen, testing::ElementsAre("{\"step\":1}", "{\"step\":2}"));
}

TEST_F(StatsTest, ATornLastLineIsLeftOutWhenRead) {
  std::ofstream(path) << "{\"step\":1}\n{\"st";
  EXPECT_EQ(io::read_json_lines(path, io::LastLine::kMayBeTorn).size(), 1u);
}

TEST_F(StatsTest, RefusesAFileShorterThanTheCheckpointAndLeavesItAlone) {
  std::ofstream(path) << "{}\n";
  try {
    StatsWriter stats(path, 100);
    FAIL() << "resumed from a file that is too short";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("got 3 bytes, expected at least 100"));
  }
  EXPECT_EQ(io::read_file(path), "{}\n");
}

TEST(Stats, AFullDiskIsOneClearError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  StatsWriter stats("/dev/full");
  EXPECT_THROW(stats.append({{"step", 1}}), EnvironmentError);
}

}  // namespace
}  // namespace equipoise::track
