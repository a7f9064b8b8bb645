// Test only: the features that tests/golden/metrics_golden.py computes its numbers from.
#pragma once

#include <ATen/ATen.h>

namespace equipoise::metrics {

/// [num_rows, num_features] float64, the formula of `features` in that script.
inline at::Tensor golden_features(int64_t num_rows, int64_t num_features, double phase,
                                  double scale) {
  const at::Tensor i = at::arange(num_rows, at::kDouble).unsqueeze(1);
  const at::Tensor j = at::arange(num_features, at::kDouble).unsqueeze(0);
  return scale * at::sin(0.37 * (i + 1) * (j + 1) + phase) +
         0.1 * at::cos(1.3 * i * (j + 2) + 2 * phase) + 0.02 * j;
}

}  // namespace equipoise::metrics
