// Workers: each computes on one thread of its own. Two one-thread workers on a split batch beat one
// operator on two threads, and keep most of their speed beside a busy neighbour.
#pragma once

#include <cstdint>
#include <functional>

namespace equipoise {

/// Runs body(0) … body(num_workers - 1), one thread each (the last on the caller's), and waits for
/// all of them. LibTorch's operators run single-threaded inside. The first exception by worker
/// number is rethrown once all have ended.
void run_workers(int64_t num_workers, const std::function<void(int64_t worker)>& body);

/// Cores this process may use.
int64_t num_cores();

}  // namespace equipoise
