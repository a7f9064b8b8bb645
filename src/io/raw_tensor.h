// Tensors as the plain bytes file formats hold. Private to io.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <torch/types.h>

namespace equipoise::io {

/// Product of the shape times the size of one value; none when that, or any stride, does not fit 63
/// bits.
std::optional<uint64_t> num_bytes(at::IntArrayRef shape, at::ScalarType dtype);
/// A new tensor holding a copy of `bytes`, whose length must be num_bytes(shape, dtype). Any
/// non-zero byte is true.
at::Tensor tensor_from_bytes(std::string_view bytes, at::IntArrayRef shape, at::ScalarType dtype);
/// The tensor itself when it is on the CPU and contiguous, else a copy that is.
at::Tensor contiguous_on_cpu(const at::Tensor& tensor);
/// The memory of a contiguous CPU tensor, which must outlive the result.
std::string_view bytes_of(const at::Tensor& tensor);
/// "60000 x 28 x 28"; "scalar" for no dimensions.
std::string shape_text(at::IntArrayRef shape);

}  // namespace equipoise::io
