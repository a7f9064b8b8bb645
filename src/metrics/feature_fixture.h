// Test only: features of fixed values.
#pragma once

#include <initializer_list>
#include <vector>

#include <ATen/ATen.h>

#include "core/random.h"

namespace equipoise::metrics {

/// [num_rows, num_features] float64: what tests/golden/metrics_golden.py computes its numbers from.
inline at::Tensor golden_features(int64_t num_rows, int64_t num_features, double phase,
                                  double scale) {
  const at::Tensor i = at::arange(num_rows, at::kDouble).unsqueeze(1);
  const at::Tensor j = at::arange(num_features, at::kDouble).unsqueeze(0);
  return scale * at::sin(0.37 * (i + 1) * (j + 1) + phase) +
         0.1 * at::cos(1.3 * i * (j + 2) + 2 * phase) + 0.02 * j;
}

/// [num_rows, num_features] float64, standard normal.
inline at::Tensor normal_rows(int64_t num_rows, int64_t num_features, uint64_t seed) {
  return random_normal(seed, Purpose::kToyData, at::arange(num_rows, at::kLong), {num_features})
      .to(at::kDouble);
}

/// One feature: [n, 1] float64.
inline at::Tensor column(std::initializer_list<double> values) {
  return at::tensor(std::vector<double>(values), at::kDouble).unsqueeze(1);
}

}  // namespace equipoise::metrics
