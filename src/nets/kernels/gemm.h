// Products of row-major float32 matrices on the calling thread.
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

/// A row-major matrix as it lies in memory; `transposed` uses its transpose.
struct MatrixView {
  const float* data;
  int64_t stride;  ///< from one row to the next
  bool transposed = false;
};

/// Sizes of op(A) op(B) [rows, columns], summed over `inner`; beta is the share of C that is kept.
struct Product {
  int64_t rows, columns, inner;
  float beta = 0;
};

/// Whose products these are: "oneDNN", or "LibTorch" where oneDNN's headers were missing.
const char* product_library();

/// C = op(A) op(B) + beta C. C [rows, columns] with row stride `stride`, op(A) [rows, inner], op(B)
/// [inner, columns].
void multiply(const Product& product, MatrixView a, MatrixView b, float* c, int64_t stride);

}  // namespace equipoise::nets::kernels
