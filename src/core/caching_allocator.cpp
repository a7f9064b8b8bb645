#include "core/caching_allocator.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <vector>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <torch/version.h>

namespace equipoise {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and the widest vector
constexpr size_t kLarge = size_t{64} << 10;
constexpr size_t kMostCached = size_t{2} << 30;

/// Stands before every block; as long as the alignment, so that blocks stay aligned.
struct alignas(kAlignment) Header {
  size_t size_class;  // 0: a small block
};

/// The next size of the form (8 + k) 2^n, k = 0 … 7.
size_t rounded_up(size_t bytes) {
  const size_t unit = std::bit_floor(bytes) / 8;
  return (bytes + unit - 1) / unit * unit;
}

void* from_system(size_t bytes, size_t size_class) {
  void* memory = std::aligned_alloc(
      kAlignment, (sizeof(Header) + bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  return new (memory) Header{size_class};
}

/// Blocks by size class, shared by all threads.
class BlockCache {
 public:
  void* take(size_t bytes) {
    void* block = bytes < kLarge ? from_system(bytes, 0) : take_large(rounded_up(bytes));
    return static_cast<std::byte*>(block) + sizeof(Header);
  }

  void give(void* memory) {
    void* block = static_cast<std::byte*>(memory) - sizeof(Header);
    const size_t size_class = static_cast<Header*>(block)->size_class;
    if (size_class == 0 || !keep(block, size_class)) std::free(block);
  }

  AllocationCounts counts() {
    const std::lock_guard lock(mutex_);
    return counts_;
  }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    counts_.peak_bytes = counts_.live_bytes;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    for (auto& [size_class, blocks] : free_) {
      for (void* block : blocks) std::free(block);
      blocks.clear();
    }
    counts_.cached_bytes = 0;
  }

 private:
  void* take_large(size_t size_class) {
    const std::lock_guard lock(mutex_);
    ++counts_.num_large;
    for (auto free = free_.lower_bound(size_class);
         free != free_.end() && free->first <= size_class / 2 * 3; ++free) {
      auto& [found_class, blocks] = *free;
      if (blocks.empty()) continue;
      void* block = blocks.back();
      blocks.pop_back();
      counts_.cached_bytes -= static_cast<int64_t>(found_class);
      use(found_class);
      return block;
    }
    ++counts_.num_system;
    use(size_class);
    return from_system(size_class, size_class);
  }

  void use(size_t size_class) {
    counts_.live_bytes += static_cast<int64_t>(size_class);
    counts_.peak_bytes = std::max(counts_.peak_bytes, counts_.live_bytes);
  }

  bool keep(void* block, size_t size_class) {
    const std::lock_guard lock(mutex_);
    const auto bytes = static_cast<int64_t>(size_class);
    counts_.live_bytes -= bytes;
    if (counts_.cached_bytes + bytes > static_cast<int64_t>(kMostCached)) return false;
    counts_.cached_bytes += bytes;
    free_[size_class].push_back(block);
    return true;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  AllocationCounts counts_;
};

/// Never destroyed: tensors of static lifetime are freed after everything else.
BlockCache& cache() {
  static BlockCache* const instance = new BlockCache;
  return *instance;
}

class CachingAllocator final : public c10::Allocator {
 public:
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 3)
  c10::DataPtr allocate(size_t bytes) override {
    return block_of(bytes);
  }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override {
    return block_of(bytes);
  }
#endif
  c10::DeleterFnPtr raw_deleter() const override {
    return &give_back;
  }

 private:
  static c10::DataPtr block_of(size_t bytes) {
    void* memory = bytes == 0 ? nullptr : cache().take(bytes);
    return {memory, memory, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  static void give_back(void* memory) {
    if (memory != nullptr) cache().give(memory);
  }
};

}  // namespace

void install_caching_allocator() {
  constexpr uint8_t kPriority = 1;  // above LibTorch's own
  static CachingAllocator* const allocator = new CachingAllocator;
  c10::SetCPUAllocator(allocator, kPriority);
}

AllocationCounts allocation_counts() {
  return cache().counts();
}

void reset_peak_bytes() {
  cache().reset_peak();
}

void release_cached_memory() {
  cache().release();
}

}  // namespace equipoise
