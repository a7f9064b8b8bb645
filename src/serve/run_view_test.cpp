#include "serve/run_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/scratch_folder.h"
#include "serve/made_up_run.h"

namespace equipoise::serve {
namespace {

using testing::HasSubstr;

struct RunViewTest : testing::Test {
  io::ScratchFolder scratch;
  const std::filesystem::path folder = scratch / "run";
  const RunFiles files{folder};

  void SetUp() override { make_up_run(folder); }
};

TEST_F(RunViewTest, TellsHowFarEachStageIs) {
  const RunView run = look_at(files, 3);
  EXPECT_EQ(run.name, "run");
  EXPECT_EQ(run.title, "Stripes <b>");
  EXPECT_EQ(run.state, RunState::kStopped);
  ASSERT_EQ(run.stages.size(), 2u);
  EXPECT_TRUE(run.stages[0].is_done);
  EXPECT_EQ(run.stages[0].num_images, 300);
  EXPECT_EQ(run.stages[1].images, 500);
  EXPECT_EQ(run.stages[1].num_images, 1000);
  ASSERT_EQ(stage_under_way(run), &run.stages[1]);
  ASSERT_EQ(run.grids.size(), 1u);
  EXPECT_EQ(run.grids[0].file, "dsm.png");
}

TEST_F(RunViewTest, IsRunningWhileHeldAndFinishedWithResults) {
  if (std::filesystem::exists("/proc/locks")) {
    const io::FileLock lock(folder);
    EXPECT_EQ(look_at(files, 0).state, RunState::kRunning);
  }
  io::write_file_atomically(folder / "results.json", "{}");
  EXPECT_EQ(look_at(files, 0).state, RunState::kFinished);
}

TEST_F(RunViewTest, SaysWhatIsWrongWithADamagedRun) {
  io::write_file_atomically(folder / "stats.jsonl", "{\"stage\":\"dsm\"}\nnot json\n");
  const RunView run = look_at(files, 0);
  EXPECT_EQ(run.state, RunState::kUnreadable);
  EXPECT_THAT(run.problem, HasSubstr("stats.jsonl"));
  io::write_file_atomically(folder / "stats.jsonl", "{\"stage\":7}\n");
  EXPECT_EQ(look_at(files, 0).state, RunState::kUnreadable);
}

TEST_F(RunViewTest, GivesTheDocumentedJson) {
  const RunView run = look_at(files, 3);
  const nlohmann::ordered_json summary = summary_json(run), whole = to_json(run);
  EXPECT_EQ(summary.at("id"), 3);
  EXPECT_EQ(summary.at("state"), "stopped");
  EXPECT_EQ(summary.at("report"), false);
  EXPECT_EQ(summary.at("grids").at(0).at("file"), "dsm.png");
  EXPECT_EQ(summary.at("stages").at(1), (nlohmann::ordered_json{{"name", "dsm"},
                                                                {"images", 500},
                                                                {"num_images", 1000},
                                                                {"is_done", false},
                                                                {"loss", 0.25},
                                                                {"heldout_loss", 0.375}}));
  EXPECT_EQ(whole.at("stages").at(1).at("curves").dump(),
            R"({"loss":[[250.0,0.75],[500.0,0.25]],"heldout_loss":[[500.0,0.375]]})");
}

}  // namespace
}  // namespace equipoise::serve
