#include "io/raw_tensor.h"

#include <algorithm>
#include <cstring>

#include <fmt/ranges.h>

#include "core/error.h"

namespace equipoise::io {

std::optional<uint64_t> num_bytes(at::IntArrayRef shape, at::ScalarType dtype) {
  int64_t product = static_cast<int64_t>(c10::elementSize(dtype));
  bool is_empty = false;
  for (int64_t size : shape) {
    is_empty |= size == 0;
    // Empty dimensions count as one here: strides are made of the others all the same.
    if (size < 0 || __builtin_mul_overflow(product, std::max<int64_t>(size, 1), &product))
      return std::nullopt;
  }
  return is_empty ? 0 : static_cast<uint64_t>(product);
}

at::Tensor tensor_from_bytes(std::string_view bytes, at::IntArrayRef shape, at::ScalarType dtype) {
  EQUIPOISE_ASSERT(num_bytes(shape, dtype) == bytes.size());
  const bool is_bool = dtype == at::kBool;
  at::Tensor tensor = at::empty(shape, is_bool ? at::kByte : dtype);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return is_bool ? tensor.ne(0) : tensor;
}

at::Tensor contiguous_on_cpu(const at::Tensor& tensor) {
  return tensor.detach().cpu().contiguous();
}

std::string_view bytes_of(const at::Tensor& tensor) {
  EQUIPOISE_ASSERT(tensor.is_contiguous() && tensor.device().is_cpu());
  return {static_cast<const char*>(tensor.data_ptr()), tensor.nbytes()};
}

std::string shape_text(at::IntArrayRef shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, " x "));
}

}  // namespace equipoise::io
