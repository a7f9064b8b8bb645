#include <ATen/ATen.h>

#include "nets/kernels/gemm.h"

namespace equipoise::nets::kernels {
namespace {

at::Tensor matrix(const MatrixView& view, int64_t rows, int64_t columns) {
  // at::from_blob has no read-only form; the tensor is only read.
  auto* data = const_cast<float*>(view.data);
  return view.transposed ? at::from_blob(data, {rows, columns}, {1, view.stride})
                         : at::from_blob(data, {rows, columns}, {view.stride, 1});
}

}  // namespace

const char* product_library() {
  return "LibTorch";
}

void multiply(const Product& product, MatrixView a, MatrixView b, float* c, int64_t stride) {
  at::Tensor result = at::from_blob(c, {product.rows, product.columns}, {stride, 1});
  at::addmm_out(result, result, matrix(a, product.rows, product.inner),
                matrix(b, product.inner, product.columns), product.beta, 1);
}

}  // namespace equipoise::nets::kernels
