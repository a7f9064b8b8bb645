// A training set without end: which image comes at which position, worked out from the position
// alone.
#pragma once

#include <cstdint>
#include <memory>

#include <torch/types.h>

namespace equipoise::data {

/// Endless shuffled passes over `indices`.
///
/// Position p lies in epoch p / n; element p % n of that epoch's permutation is the image. There is
/// no state to save: a run that resumes at position p sees what it would have seen.
/// Shapes: indices [n] int64, n >= 1. Random: stream (seed, kShuffle, epoch, stream_id). Safe to
/// share between threads.
/// Throws: UsageError when `indices` is empty.
class EndlessStream {
 public:
  EndlessStream(at::Tensor indices, uint64_t seed, uint32_t stream_id);
  ~EndlessStream();
  EndlessStream(EndlessStream&&) noexcept;
  EndlessStream& operator=(EndlessStream&&) noexcept;

  /// The images at positions first_position … first_position + count - 1: [count] int64.
  at::Tensor take(int64_t first_position, int64_t count) const;
  /// Images in one epoch.
  int64_t size() const;

 private:
  struct Cache;  // the last epoch's permutation, so that a mini-batch does not cost a whole shuffle
  at::Tensor order_of(int64_t epoch) const;

  at::Tensor indices_;
  uint64_t seed_;
  uint32_t stream_id_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace equipoise::data
