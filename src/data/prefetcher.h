// Prepares the next mini-batches on a thread of its own while the current one is trained on.
#pragma once

#include <cstdint>
#include <memory>

#include "data/batch_source.h"

namespace equipoise::data {

/// Hands out batch(first, count), batch(first + count, count), … in order, at most `depth` of them ahead.
/// An exception in the thread is thrown by the `next` that would have returned that batch, and by all later ones.
/// `source` must outlive the prefetcher.
class Prefetcher {
 public:
  Prefetcher(const BatchSource& source, int64_t first_image_number, int64_t count, int64_t depth = 2);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;
  Batch next();

 private:
  struct Queue;
  std::unique_ptr<Queue> queue_;
};

}  // namespace equipoise::data
