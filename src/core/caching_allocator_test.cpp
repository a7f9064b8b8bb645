#include "core/caching_allocator.h"

#include <cstdint>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace equipoise {
namespace {

constexpr int64_t kLargeBytes = 1 << 20;

at::Tensor large() {
  return at::empty({kLargeBytes}, at::kByte);
}

/// Every test of this program runs with the allocator from here on.
struct CachingAllocator : testing::Test {
  static void SetUpTestSuite() { install_caching_allocator(); }
};

TEST_F(CachingAllocator, GivesTheSameBlockAgain) {
  const void* const first = large().data_ptr();
  const AllocationCounts before = allocation_counts();
  EXPECT_EQ(large().data_ptr(), first);
  const AllocationCounts after = allocation_counts();
  EXPECT_EQ(after.num_large, before.num_large + 1);
  EXPECT_EQ(after.num_system, before.num_system) << "it lay ready";
}

TEST_F(CachingAllocator, OnlyBlocksOfASizeNearByAreShared) {
  const auto num_fetched_for = [](int64_t bytes) {
    release_cached_memory();
    large();
    const int64_t before = allocation_counts().num_system;
    at::empty({bytes}, at::kByte);
    return allocation_counts().num_system - before;
  };
  EXPECT_EQ(num_fetched_for(kLargeBytes - 100), 0);
  EXPECT_EQ(num_fetched_for(kLargeBytes * 3 / 4), 0);
  EXPECT_EQ(num_fetched_for(kLargeBytes / 2), 1) << "most of the block would lie idle";
  EXPECT_EQ(num_fetched_for(kLargeBytes + 100), 1);
}

TEST_F(CachingAllocator, BlocksAreAlignedAndApart) {
  std::vector<at::Tensor> tensors;
  for (const int64_t bytes : {1, 63, 64, 65, 65535, 65536, 65537, 1000003}) {
    tensors.push_back(at::full({bytes}, static_cast<int64_t>(tensors.size()), at::kByte));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensors.back().data_ptr()) % 64, 0u);
  }
  for (size_t i = 0; i < tensors.size(); ++i)
    EXPECT_TRUE((tensors[i] == static_cast<int64_t>(i)).all().item<bool>());
}

TEST_F(CachingAllocator, CountsWhatIsInUse) {
  release_cached_memory();
  const AllocationCounts before = allocation_counts();
  reset_peak_bytes();
  {
    const at::Tensor a = large(), b = large();
    EXPECT_EQ(allocation_counts().live_bytes, before.live_bytes + 2 * kLargeBytes);
  }
  const AllocationCounts after = allocation_counts();
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_EQ(after.peak_bytes, before.live_bytes + 2 * kLargeBytes);
  release_cached_memory();
  EXPECT_EQ(allocation_counts().cached_bytes, 0);
}

TEST_F(CachingAllocator, SurvivesManyThreads) {
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int64_t i = 0; i < 200; ++i) {
        const at::Tensor filled = at::full({70000 + 977 * (i % 13)}, t, at::kByte);
        ASSERT_TRUE((filled == t).all().item<bool>());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CachingAllocator, GivesNothingForNothing) {
  EXPECT_EQ(at::empty({0}).numel(), 0);
}

}  // namespace
}  // namespace equipoise
