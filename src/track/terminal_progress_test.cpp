#include "track/terminal_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace equipoise::track {
namespace {

using testing::HasSubstr;
using testing::Not;

struct ProgressTest : testing::Test {
  std::FILE* out = std::tmpfile();
  double now = 0;
  TerminalProgress::Now clock = [this] { return now; };
  void TearDown() override { std::fclose(out); }
  std::string printed() {
    std::string text(static_cast<size_t>(std::ftell(out)), '\0');
    std::rewind(out);
    text.resize(std::fread(text.data(), 1, text.size(), out));
    return text;
  }
};

TEST(ProgressLine, TellsShareCountRateAndRemainingTime) {
  const StageState state{.stage = "Training",
                         .unit = "images",
                         .note = "loss 0.5",
                         .total = 20000,
                         .done = 5000,
                         .rate = 100};
  EXPECT_EQ(progress_line(state, 200),
            "Training  ━━━━━───────────────  25 %  5,000/20,000 images  100/s  2 min 30 s left  "
            "loss 0.5");
}

TEST(ProgressLine, IsCutBetweenCharacters) {
  const StageState state{.stage = "Training", .unit = "images", .note = "", .total = 4, .done = 2};
  EXPECT_EQ(progress_line(state, 12), "Training  ━━");
}

TEST(ProgressLine, WithoutATotalThereIsNoBar) {
  EXPECT_EQ(
      progress_line({.stage = "Reading", .unit = "files", .note = "", .total = 0, .done = 7}, 80),
      "Reading  7 files");
}

TEST_F(ProgressTest, ALogGetsALineEveryTenSecondsAndOneAtTheEnd) {
  TerminalProgress progress(out, false, clock);
  progress.begin("Sampling", 100, "images");
  for (now = 1; now <= 25; ++now) progress.update(static_cast<int64_t>(now), "");
  progress.end();
  const std::string text = printed();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_THAT(text, HasSubstr("Sampling: 25 images in 26 s"));
  EXPECT_THAT(text, Not(HasSubstr("\033")));
}

TEST_F(ProgressTest, ATerminalIsRedrawnAtMostFiveTimesASecond) {
  TerminalProgress progress(out, true, clock);
  progress.begin("Sampling", 1000, "images");
  for (int i = 1; i <= 1000; ++i) {
    now = i / 1000.0;
    progress.update(i);
  }
  const std::string text = printed();
  EXPECT_LE(std::count(text.begin(), text.end(), '\r'), 6);
  EXPECT_GE(std::count(text.begin(), text.end(), '\r'), 4);
}

TEST_F(ProgressTest, WhatWasDoneBeforeAResumeIsNotSpeed) {
  TerminalProgress progress(out, false, clock);
  progress.begin("Training", 2000, "images");
  progress.update(1000);
  now = 10;
  progress.update(1100);
  EXPECT_THAT(printed(), HasSubstr("10/s  1 min 30 s left"));
}

TEST_F(ProgressTest, AMessageStandsOnItsOwnLineBesideTheBar) {
  TerminalProgress progress(out, true, clock);
  progress.begin("Training", 10, "images");
  progress.message("The ratio has collapsed");
  EXPECT_THAT(printed(), HasSubstr("\r\033[KThe ratio has collapsed\n\r\033[KTraining"));
}

TEST_F(ProgressTest, TheFirstSignalAsksTheRunToStop) {
  const TerminalProgress progress(out, false, clock);
  EXPECT_FALSE(progress.stop_requested());
  std::raise(SIGTERM);
  EXPECT_TRUE(progress.stop_requested());
}

TEST(StopSignalsTest, TheSecondSignalEndsAtOnce) {
  const pid_t child = fork();
  if (child == 0) {
    const StopSignals signals;
    std::raise(SIGINT);
    if (!StopSignals::requested()) _exit(1);
    std::raise(SIGINT);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "exit status " << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

}  // namespace
}  // namespace equipoise::track
