#include "core/parallel.h"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace equipoise {
namespace {

TEST(RunWorkers, CallsEveryWorkerOnceAndKeepsItsThread) {
  std::vector<std::thread::id> first(3), second(3);
  run_workers(
      3, [&](int64_t worker) { first[static_cast<size_t>(worker)] = std::this_thread::get_id(); });
  run_workers(
      3, [&](int64_t worker) { second[static_cast<size_t>(worker)] = std::this_thread::get_id(); });
  EXPECT_EQ(first, second);
  EXPECT_EQ(first[2], std::this_thread::get_id());
  EXPECT_NE(first[0], first[1]);
}

TEST(RunWorkers, RethrowsTheFirstFailureAfterAllHaveEnded) {
  std::atomic<int> ended{0};
  const auto body = [&](int64_t worker) {
    ++ended;
    if (worker >= 1) throw std::runtime_error("worker " + std::to_string(worker));
  };
  try {
    run_workers(4, body);
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "worker 1");
  }
  EXPECT_EQ(ended, 4);
}

TEST(RunWorkers, MayBeCalledFromAWorker) {
  std::atomic<int> calls{0};
  run_workers(2, [&](int64_t) { run_workers(2, [&](int64_t) { ++calls; }); });
  EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace equipoise
