#include "nets/kernels/rows.h"

#include <algorithm>

#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {

EQUIPOISE_SIMD void sum_rows(int64_t rows, int64_t channels, const float* values, float* sums) {
  std::fill_n(sums, channels, 0.0f);
  for (int64_t row = 0; row < rows; ++row)
    over_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      store(sums + c, load<V>(sums + c) + load<V>(values + row * channels + c));
    });
}

void fill_rows(int64_t rows, int64_t channels, const float* row_values, float* values) {
  for (int64_t row = 0; row < rows; ++row)
    std::copy_n(row_values, channels, values + row * channels);
}

}  // namespace equipoise::nets::kernels
