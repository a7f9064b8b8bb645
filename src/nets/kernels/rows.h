// Matrices [rows, channels] of float32, one row a pixel.
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

/// sums[c] = sum over rows of values[row][c].
void sum_rows(int64_t rows, int64_t channels, const float* values, float* sums);
/// values[row][c] = row_values[c].
void fill_rows(int64_t rows, int64_t channels, const float* row_values, float* values);

}  // namespace equipoise::nets::kernels
