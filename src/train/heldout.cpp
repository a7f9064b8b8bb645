#include "train/heldout.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/libtorch.h"
#include "core/parallel.h"

namespace equipoise::train {

double mean_over_chunks(int64_t total, int64_t chunk_size, int64_t num_workers,
                        const std::function<double(int64_t, int64_t)>& sum_of) {
  const int64_t num_chunks = (total + chunk_size - 1) / chunk_size;
  std::vector<double> sums(static_cast<size_t>(num_chunks));
  run_workers(num_workers, [&](int64_t worker) {
    torch::NoGradGuard no_grad;
    for (int64_t chunk = worker; chunk < num_chunks; chunk += num_workers) {
      const int64_t begin = chunk * chunk_size;
      sums[static_cast<size_t>(chunk)] = sum_of(begin, std::min(total, begin + chunk_size));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0) / static_cast<double>(total);
}

}  // namespace equipoise::train
