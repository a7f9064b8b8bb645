// A few rows of floats against many rows of bytes, as images are stored: each byte is read once for
// all floats, a quarter of the memory that a product with floats reads, and nothing is packed.
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

/// Sizes of row-major matrices: floats [rows, columns], bytes [images, columns].
struct ByteProduct {
  int64_t rows, images, columns;
};

/// products[r][j] = sum_c values[r][c] bytes[j][c].
void multiply_bytes(const ByteProduct& size, const float* values, const uint8_t* bytes,
                    float* products);

/// sums[r][c] = sum_j weights[r][j] bytes[j][c].
void weighted_bytes(const ByteProduct& size, const float* weights, const uint8_t* bytes,
                    float* sums);

}  // namespace equipoise::nets::kernels
