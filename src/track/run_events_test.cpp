#include "track/run_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "core/error.h"
#include "core/libtorch.h"
#include "io/image_codec.h"
#include "io/safetensors.h"
#include "io/scratch_folder.h"
#include "track/event_reading.h"
#include "track/stats.h"

namespace equipoise::track {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsSupersetOf;

struct RunEventsTest : testing::Test {
  io::ScratchFolder run;
  const fs::path stats = run / "stats.jsonl";

  void SetUp() override {
    io::write_file_atomically(run / "config.toml", "seed = 0\n");
    for (const char* folder : {"models", "samples"}) fs::create_directories(run / folder);
  }
  void write_grid(const std::string& name) {
    io::write_file_atomically(run / "samples" / (name + ".png"),
                              io::encode_png(at::zeros({1, 4, 4}, at::kByte)));
  }
  void write_model(const std::string& name) {
    io::write_safetensors(run / "models" / (name + ".safetensors"),
                          {{"layer.weight", torch::tensor({0.5, -0.5, 0.5})},
                           {"steps", torch::tensor({int64_t{3}})}});
  }
  std::vector<std::string> told(const fs::path& path) { return tags_and_steps(read_events(path)); }
};

TEST_F(RunEventsTest, EveryNumberOfALineIsAScalarOfItsStage) {
  RunEvents events(run.path());
  StatsWriter writer(stats);
  writer.observe([&](const nlohmann::ordered_json& line) { events.add_line(line); });
  writer.append({{"stage", "dsm"}, {"images", 128}, {"loss", 0.5}});
  writer.append({{"stage", "dsm"}, {"images", 256}, {"loss", 0.25}, {"heldout_loss", 0.375}});
  const std::vector<ReadEvent> read = read_events(events.path());
  EXPECT_THAT(tags_and_steps(read),
              ElementsAre("dsm/loss@128", "dsm/heldout_loss@256", "dsm/loss@256"));
  EXPECT_EQ(read[2].scalar, 0.5f);
  EXPECT_EQ(read[3].scalar, 0.375f);
}

TEST_F(RunEventsTest, AResumedRunTellsItsStoryAgainFromTheLinesThatAreLeft) {
  int64_t checkpoint = 0;
  fs::path first;
  {
    RunEvents events(run.path());
    first = events.path();
    StatsWriter writer(stats);
    writer.observe([&](const nlohmann::ordered_json& line) { events.add_line(line); });
    writer.append({{"stage", "a"}, {"images", 64}, {"loss", 1}});
    checkpoint = writer.sync();
    writer.append({{"stage", "b"}, {"images", 64}, {"loss", 2}});
  }
  std::ofstream(first, std::ios::app) << "torn";  // killed in the middle of a record
  StatsWriter writer(stats, checkpoint);
  RunEvents events(run.path());
  EXPECT_NE(events.path(), first);
  const std::vector<ReadEvent> read = read_events(events.path());
  EXPECT_TRUE(read.at(1).starts_session);
  EXPECT_EQ(read.at(1).step, 0);
  EXPECT_THAT(tags_and_steps(read), ElementsAre("a/loss@64"));
}

TEST_F(RunEventsTest, ShowsGridsModelsAndRatiosAtTheirStagesLastStep) {
  write_grid("dsm");
  write_model("dsm");
  RunEvents events(run.path());
  events.add_line({{"stage", "dsm"}, {"images", 512}, {"loss", 1}});
  events.add_grid("dsm");
  events.add_grid("vectors");  // a run on vectors has no grids
  events.add_model("dsm");
  const nlohmann::json level = {
      {"weight_histogram",
       {{"edges", {0, 1, 2}}, {"counts_biased", {3, 1}}, {"counts_reference", {1, 3}}}}};
  events.add_ratio({{"name", "ratio"}, {"levels", {level, level}}});
  const std::vector<ReadEvent> read = read_events(events.path());
  EXPECT_THAT(tags_and_steps(read),
              ElementsAre("dsm/loss@512", "samples/dsm@512", "weights/dsm/layer.weight@512",
                          "ratio/weight of biased images@0", "ratio/weight of reference images@0",
                          "ratio/weight of biased images@1", "ratio/weight of reference images@1"));
  EXPECT_EQ(read.at(4).num, 3);
  EXPECT_THAT(read.at(5).counts, ElementsAre(0, 3, 1));
}

TEST_F(RunEventsTest, AreRebuiltFromTheRunsFilesAlone) {
  std::ofstream(stats) << "{\"stage\":\"dsm\",\"images\":64,\"loss\":0.5}\n{\"stage\":\"ds";
  io::write_file_atomically(run / "results.json", R"({"ratios": [{"name": "r", "levels": [
      {"weight_histogram": {"edges": [0, 2], "counts_biased": [3], "counts_reference": [1]}}]}]})");
  write_grid("dsm");
  write_model("dsm");
  write_model("iw_dsm.checkpoint");
  EXPECT_THAT(
      told(rebuild_events(run.path())),
      ElementsAre("dsm/loss@64", "r/weight of biased images@0", "r/weight of reference images@0",
                  "weights/dsm/layer.weight@64", "samples/dsm@64"));
}

TEST_F(RunEventsTest, AreNotRebuiltWhileTheRunGoesOnOrWhereThereIsNone) {
  const io::FileLock other(run.path());
  EXPECT_THROW(rebuild_events(run.path()), EnvironmentError);
  EXPECT_THROW(rebuild_events(run / "models"), DataError);
}

}  // namespace
}  // namespace equipoise::track
