#include "core/parallel.h"

#include <sched.h>

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>

namespace equipoise {
namespace {

/// A thread that waits for one task after another. Threads are kept because LibTorch caches
/// compiled operators a thread: on a fresh one every convolution would be compiled again.
class Worker {
 public:
  Worker() : thread_([this](std::stop_token stop) { serve(stop); }) {}

  void start(std::function<void()> task) {
    {
      const std::lock_guard lock(mutex_);
      task_ = std::move(task);
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !task_; });
  }

 private:
  void serve(std::stop_token stop) {
    at::init_num_threads();
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [&] { return static_cast<bool>(task_); })) {
      lock.unlock();
      task_();
      lock.lock();
      task_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::function<void()> task_;
  std::jthread thread_;  // last: it uses all of the above
};

/// The process's workers, made as they are asked for.
struct Pool {
  std::mutex in_use;
  std::vector<std::unique_ptr<Worker>> workers;
};

Pool& shared_pool() {
  static Pool pool;
  return pool;
}

void run_on(Pool& pool, int64_t num_workers, const std::function<void(int64_t)>& body) {
  while (static_cast<int64_t>(pool.workers.size()) + 1 < num_workers)
    pool.workers.push_back(std::make_unique<Worker>());
  for (int64_t i = 0; i + 1 < num_workers; ++i)
    pool.workers[static_cast<size_t>(i)]->start([&body, i] { body(i); });
  body(num_workers - 1);
  for (int64_t i = 0; i + 1 < num_workers; ++i) pool.workers[static_cast<size_t>(i)]->wait();
}

}  // namespace

int64_t num_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return std::max(1u, std::thread::hardware_concurrency());
}

void run_workers(int64_t num_workers, const std::function<void(int64_t)>& body) {
  at::set_num_threads(1);
  std::vector<std::exception_ptr> failures(static_cast<size_t>(num_workers));
  const auto guarded = [&](int64_t worker) {
    try {
      body(worker);
    } catch (...) {
      failures[static_cast<size_t>(worker)] = std::current_exception();
    }
  };
  if (const std::unique_lock lock(shared_pool().in_use, std::try_to_lock); lock.owns_lock()) {
    run_on(shared_pool(), num_workers, guarded);
  } else {
    Pool own;  // called from a worker, or from two threads at once
    run_on(own, num_workers, guarded);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace equipoise
