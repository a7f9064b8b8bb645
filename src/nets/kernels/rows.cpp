#include "nets/kernels/rows.h"

#include <algorithm>

#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {

EQUIPOISE_SIMD void sum_rows(int64_t rows, int64_t channels, const float* values, float* sums) {
  std::fill_n(sums, channels, 0.0f);
  over_pixel_blocks(rows, channels,
                    [&]<class V>(V, int64_t c, int64_t first, int64_t last)
                        EQUIPOISE_LAMBDA_INLINE {
                          V sum = load<V>(sums + c);
                          for (int64_t row = first; row < last; ++row)
                            sum += load<V>(values + row * channels + c);
                          store(sums + c, sum);
                        });
}

void fill_rows(int64_t rows, int64_t channels, const float* row_values, float* values) {
  for (int64_t row = 0; row < rows; ++row)
    std::copy_n(row_values, channels, values + row * channels);
}

}  // namespace equipoise::nets::kernels
