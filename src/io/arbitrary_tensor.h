// Random tensors for property tests. For tests only: include gtest before.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include <torch/types.h>

#include "io/raw_tensor.h"

namespace equipoise::io {

/// Any shape of up to four dimensions of 0 … 4, any bit pattern (NaN too), one of `dtypes`.
inline at::Tensor arbitrary_tensor(const std::vector<at::ScalarType>& dtypes) {
  const auto dtype = *rc::gen::elementOf(dtypes);
  const auto rank = *rc::gen::inRange<size_t>(0, 5);
  const auto shape =
      *rc::gen::container<std::vector<int64_t>>(rank, rc::gen::inRange<int64_t>(0, 5));
  const auto bytes =
      *rc::gen::container<std::string>(*num_bytes(shape, dtype), rc::gen::arbitrary<char>());
  return tensor_from_bytes(bytes, shape, dtype);
}

/// Same dtype, shape and bits.
inline bool is_identical(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && bytes_of(a) == bytes_of(b);
}

}  // namespace equipoise::io
