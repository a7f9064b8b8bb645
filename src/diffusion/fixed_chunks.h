// Work on many rows in calls of one size: matrix products pick their kernels by size, and another
// kernel rounds differently.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <torch/types.h>

namespace equipoise::diffusion {

/// values[rows], undefined where values are.
inline at::Tensor pick_rows(const at::Tensor& values, const at::Tensor& rows) {
  return values.defined() ? values.index_select(0, rows.to(values.device())) : values;
}

/// Joins f(rows) over all rows 0 … num_rows - 1, each call with exactly chunk_size of them, the last
/// one filled up with copies of the last row. chunk_size 0: one call for all. f maps row numbers
/// [n] int64 to tensors of n rows each (undefined ones stay so).
template <class F>
std::vector<at::Tensor> in_fixed_chunks(int64_t num_rows, int64_t chunk_size, const F& f) {
  if (chunk_size == 0) return f(at::arange(num_rows, at::kLong));
  std::vector<std::vector<at::Tensor>> parts;
  for (int64_t start = 0; start < num_rows; start += chunk_size) {
    const at::Tensor rows =
        at::arange(start, start + chunk_size, at::kLong).clamp_max(num_rows - 1);
    std::vector<at::Tensor> results = f(rows);
    parts.resize(results.size());
    const int64_t num_wanted = std::min(chunk_size, num_rows - start);
    for (size_t i = 0; i < results.size(); ++i)
      if (results[i].defined()) parts[i].push_back(results[i].slice(0, 0, num_wanted));
  }
  std::vector<at::Tensor> joined;
  for (const auto& part : parts) joined.push_back(part.empty() ? at::Tensor() : at::cat(part));
  return joined;
}

}  // namespace equipoise::diffusion
