// Threads that stand for the processes of a group. For tests only.
#pragma once

#include <barrier>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "core/libtorch.h"
#include "core/process_group.h"

namespace equipoise::train {

class ThreadGroup : public ProcessGroup {
 public:
  struct Shared {
    explicit Shared(int64_t size) : parts(static_cast<size_t>(size)), barrier(size) {}
    std::vector<at::Tensor> parts;
    std::barrier<> barrier;
  };
  ThreadGroup(std::shared_ptr<Shared> shared, int64_t rank)
      : shared_(std::move(shared)), rank_(rank) {}

  int64_t rank() const override { return rank_; }
  int64_t size() const override { return static_cast<int64_t>(shared_->parts.size()); }
  void sum(const at::Tensor& values) const override {
    const torch::NoGradGuard no_grad;
    shared_->parts[static_cast<size_t>(rank_)] = values.clone();
    shared_->barrier.arrive_and_wait();
    values.zero_();
    for (const at::Tensor& part : shared_->parts) values.add_(part);
    shared_->barrier.arrive_and_wait();
  }

 private:
  std::shared_ptr<Shared> shared_;
  int64_t rank_;
};

/// Runs body(group) once for each process of a group of `size`.
inline void run_processes(int64_t size,
                          const std::function<void(std::shared_ptr<const ProcessGroup>)>& body) {
  const auto shared = std::make_shared<ThreadGroup::Shared>(size);
  std::vector<std::jthread> threads;
  for (int64_t rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] { body(std::make_shared<ThreadGroup>(shared, rank)); });
}

}  // namespace equipoise::train
