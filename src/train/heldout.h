// Means over held-out images, chunk by chunk on workers, without autograd.
#pragma once

#include <cstdint>
#include <functional>

namespace equipoise::train {

/// (sum over chunks of sum_of(begin, end)) / total; chunks of `chunk_size` images are dealt to
/// workers in turn and added in order, so the result does not depend on their number.
double mean_over_chunks(int64_t total, int64_t chunk_size, int64_t num_workers,
                        const std::function<double(int64_t begin, int64_t end)>& sum_of);

}  // namespace equipoise::train
