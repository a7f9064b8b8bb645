#include "data/prefetcher.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <ATen/Parallel.h>

#include "core/error.h"

namespace equipoise::data {

/// A bounded queue filled by one thread.
struct Prefetcher::Queue {
  Queue(const BatchSource& source, int64_t first, int64_t count, int64_t depth)
      : depth_(static_cast<size_t>(depth)), thread_([this, &source, first, count] { fill(source, first, count); }) {}

  ~Queue() {
    {
      const std::lock_guard lock(mutex_);
      stops_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  Batch next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !batches_.empty() || failure_; });
    if (batches_.empty()) std::rethrow_exception(failure_);
    Batch batch = std::move(batches_.front());
    batches_.pop_front();
    changed_.notify_all();
    return batch;
  }

 private:
  void fill(const BatchSource& source, int64_t first, int64_t count) {
    at::init_num_threads();
    try {
      for (int64_t number = first;; number += count) {
        if (!wait_for_room()) return;
        Batch batch = source.batch(number, count);
        const std::lock_guard lock(mutex_);
        batches_.push_back(std::move(batch));
        changed_.notify_all();
      }
    } catch (...) {
      const std::lock_guard lock(mutex_);
      failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  /// False when the prefetcher is being destroyed.
  bool wait_for_room() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stops_ || batches_.size() < depth_; });
    return !stops_;
  }

  const size_t depth_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> batches_;
  std::exception_ptr failure_;
  bool stops_ = false;
  std::thread thread_;  // last: it uses all of the above
};

Prefetcher::Prefetcher(const BatchSource& source, int64_t first_image_number, int64_t count, int64_t depth) {
  EQUIPOISE_ASSERT(depth >= 1);
  queue_ = std::make_unique<Queue>(source, first_image_number, count, depth);
}
Prefetcher::~Prefetcher() = default;

Batch Prefetcher::next() { return queue_->next(); }

}  // namespace equipoise::data
