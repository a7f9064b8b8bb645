// Shapes, ranges and finiteness at public entry points. Each takes the argument's name, as Stan
// does.
#pragma once

#include <initializer_list>
#include <string_view>

#include <torch/types.h>

namespace equipoise {

inline constexpr int64_t kAny = -1;

/// Throws UsageError unless `tensor` has exactly this shape; kAny matches any size.
void check_shape(const at::Tensor& tensor, std::initializer_list<int64_t> expected,
                 std::string_view name);
/// Throws UsageError unless low <= value <= high.
void check_range(double value, double low, double high, std::string_view name);
/// Throws NumericError when any element is NaN or infinite, naming how many and where the first is.
void check_finite(const at::Tensor& tensor, std::string_view name);
/// "[4, 3, 16, 16] float"
std::string describe(const at::Tensor& tensor);

}  // namespace equipoise
