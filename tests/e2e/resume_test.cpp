// A run that is killed or stopped, and resumed, ends as one that never was.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "io/files.h"
#include "io/scratch_folder.h"
#include "program.h"
#include "striped_images.h"

namespace equipoise::e2e {
namespace {

namespace fs = std::filesystem;

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

struct Resume : testing::Test {
  io::ScratchFolder scratch;
  // Where to interrupt differs from day to day on purpose; the seed is printed with any failure.
  const uint64_t seed =
      static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count());
  RandomStream random{seed, Purpose::kBootstrap};

  void SetUp() override { write_striped_idx(scratch / "stripes", 600); }

  Arguments arguments(const std::string& run, bool resume) const {
    Arguments result{"run",   EQUIPOISE_SOURCE_DIR "/tests/e2e/tiny.toml",
                     "--set", "data.path=" + (scratch / "stripes").string(),
                     "--out", scratch / run};
    if (resume) result.push_back("--resume");
    return result;
  }
  /// Lets the run go on for a while and kills it.
  Outcome kill_after(double seconds) {
    Program program(arguments("interrupted", fs::exists(scratch / "interrupted")));
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    program.send(SIGKILL);
    return program.wait();
  }
  /// Short enough that three of them do not finish the run.
  double random_part_of(double whole_sec) { return (0.08 + 0.2 * random.uniform()) * whole_sec; }
  /// Asks a new run to stop once it has trained a little.
  Outcome stop_in_training() {
    const fs::path stats = scratch / "interrupted/stats.jsonl";
    Program program(arguments("interrupted", false));
    for (int wait = 0; wait < 600 && !(fs::exists(stats) && fs::file_size(stats) > 0); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    program.send(SIGTERM);
    return program.wait();
  }
  /// What must not differ: weights, samples, and the statistics of training. A killed writer may
  /// leave its unfinished file behind, under a hidden name.
  std::map<std::string, std::string> lasting_files(const std::string& run) const {
    std::map<std::string, std::string> files{
        {"stats.jsonl", io::read_file(scratch / run / "stats.jsonl")}};
    for (const char* folder : {"models", "samples"})
      for (const auto& entry : fs::directory_iterator(scratch / run / folder))
        if (const std::string name = entry.path().filename(); !name.starts_with("."))
          files[name] = io::read_file(entry.path());
    return files;
  }
};

TEST_F(Resume, EndsAsIfNeverInterruptedBitForBit) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const auto begun = std::chrono::steady_clock::now();
  const Outcome whole = equipoise(arguments("whole", false));
  ASSERT_EQ(whole.code, 0) << whole.err;
  const double whole_sec = seconds_since(begun);

  EXPECT_EQ(kill_after(random_part_of(whole_sec)).code, 128 + SIGKILL);
  for (int time = 0; time < 2; ++time) kill_after(random_part_of(whole_sec));
  const Outcome last = equipoise(arguments("interrupted", true));
  ASSERT_EQ(last.code, 0) << last.err;

  const auto expected = lasting_files("whole"), got = lasting_files("interrupted");
  for (const auto& [name, bytes] : got)
    EXPECT_TRUE(expected.contains(name)) << name << " is left over";
  for (const auto& [name, bytes] : expected) {
    ASSERT_TRUE(got.contains(name)) << name;
    EXPECT_TRUE(got.at(name) == bytes) << name << " differs";
  }
}

TEST_F(Resume, AStoppedRunSavesSaysHowToGoOnAndDoes) {
  const Outcome stopped = stop_in_training();
  EXPECT_EQ(stopped.code, 130) << stopped.err;
  EXPECT_THAT(stopped.err, testing::HasSubstr("stopped; go on with --resume"));
  const Outcome last = equipoise(arguments("interrupted", true));
  EXPECT_EQ(last.code, 0) << last.err;
  EXPECT_TRUE(fs::exists(scratch / "interrupted/report.html"));
}

TEST_F(Resume, RefusesAnotherConfiguration) {
  stop_in_training();
  Arguments other = arguments("interrupted", true);
  other.insert(other.end(), {"--set", "train.images=640"});
  expect_failure(equipoise(other), 2, {"another configuration", "config.toml"});
}

}  // namespace
}  // namespace equipoise::e2e
