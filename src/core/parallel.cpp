#include "core/parallel.h"

#include <sched.h>

#include <exception>
#include <thread>
#include <vector>

#include <ATen/Parallel.h>

namespace equipoise {

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
      at::init_num_threads();
      body(worker);
    } catch (...) {
      failures[static_cast<size_t>(worker)] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t worker = 0; worker + 1 < num_workers; ++worker) threads.emplace_back(guarded, worker);
    guarded(num_workers - 1);
  }
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace equipoise
