// Several processes train one model under mpirun.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/files.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;

struct Processes : testing::Test {
  io::ScratchFolder scratch;
  const Arguments launcher{EQUIPOISE_MPIEXEC, "-n", "2"};

  void SetUp() override {
    if (launcher[0].empty()) GTEST_SKIP() << "built without MPI";
    write_striped_idx(scratch / "stripes", 600);
  }
  Arguments training(const std::string& run, int64_t lanes) const {
    return {"train", EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
            "--set", "data.path=" + (scratch / "stripes").string(),
            "--set", "objectives=[\"tiw_dsm\"]",
            "--set", "train.micro_batch_size=8",
            "--set", "train.lanes=" + std::to_string(lanes),
            "--set", "ratio.train.micro_batch_size=8",
            "--set", "ratio.train.lanes=" + std::to_string(lanes),
            "--out", scratch / run};
  }
  Outcome together(const Arguments& arguments) const {
    return Program(arguments, std::nullopt, launcher).wait();
  }
  std::string model(const std::string& run) const {
    return io::read_file(scratch / run / "models/tiw_dsm.safetensors");
  }
};

TEST_F(Processes, TwoOfOneLaneTrainTheModelOfOneWithTwoToTheBit) {
  const Outcome alone = equipoise(training("alone", 2)), both = together(training("both", 1));
  ASSERT_EQ(alone.code, 0) << alone.err;
  ASSERT_EQ(both.code, 0) << both.err;
  EXPECT_THAT(both.out, testing::HasSubstr("model: "));
  EXPECT_EQ(model("alone"), model("both"));
  EXPECT_EQ(io::read_file(scratch / "alone/stats.jsonl"),
            io::read_file(scratch / "both/stats.jsonl"));
}

TEST_F(Processes, StoppedTogetherTheyGoOnToTheSameModel) {
  const Outcome whole = together(training("whole", 1));
  ASSERT_EQ(whole.code, 0) << whole.err;
  Program program(training("stopped", 1), std::nullopt, launcher);
  const fs::path stats = scratch / "stopped/stats.jsonl";
  for (int wait = 0; wait < 600 && !(fs::exists(stats) && fs::file_size(stats) > 0); ++wait)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  program.send(SIGTERM);
  // Of its processes' exit codes a launcher that is stopped does not always tell.
  EXPECT_THAT(program.wait().err, testing::HasSubstr("stopped; go on with --resume"));
  EXPECT_FALSE(fs::exists(scratch / "stopped/models/tiw_dsm.safetensors"));
  Arguments again = training("stopped", 1);
  again.push_back("--resume");
  const Outcome resumed = together(again);
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(model("whole"), model("stopped"));
}

TEST_F(Processes, TheWholeJobIsForOneProcess) {
  Arguments arguments = training("run", 1);
  arguments[0] = "run";
  const Outcome outcome = together(arguments);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, testing::HasSubstr("several processes can only train: got 2 processes"));
}

}  // namespace
}  // namespace equipoise::e2e
