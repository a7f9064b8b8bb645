#include "core/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace equipoise {
namespace {

std::string shape_text(const std::vector<int64_t>& sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (i > 0) text += ", ";
    text += sizes[i] == kAny ? "any" : std::to_string(sizes[i]);
  }
  return text + "]";
}

}  // namespace

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "an undefined tensor";
  return shape_text(tensor.sizes().vec()) + " " + c10::toString(tensor.scalar_type());
}

void check_shape(const at::Tensor& tensor, std::initializer_list<int64_t> expected,
                 std::string_view name) {
  bool matches = tensor.defined() && tensor.dim() == static_cast<int64_t>(expected.size());
  if (matches) {
    int64_t axis = 0;
    for (int64_t size : expected) {
      if (size != kAny && tensor.size(axis) != size) matches = false;
      ++axis;
    }
  }
  if (!matches) {
    throw UsageError({.where = std::string(name),
                      .what = "wrong shape",
                      .got = describe(tensor),
                      .expected = shape_text(expected),
                      .hint = ""});
  }
}

void check_range(double value, double low, double high, std::string_view name) {
  if (value >= low && value <= high) return;
  throw UsageError({.where = std::string(name),
                    .what = "value out of range",
                    .got = fmt::format("{}", value),
                    .expected = fmt::format("{} to {}", low, high),
                    .hint = ""});
}

void check_finite(const at::Tensor& tensor, std::string_view name) {
  const at::Tensor bad = at::isfinite(tensor).logical_not();
  const int64_t count = bad.sum().item<int64_t>();
  if (count == 0) return;
  const int64_t first = bad.reshape({-1}).to(at::kByte).argmax().item<int64_t>();
  throw NumericError(
      {.where = std::string(name),
       .what = "values that are not finite",
       .got = fmt::format("{} of {}, the first at element {}", count, tensor.numel(), first),
       .expected = "finite numbers",
       .hint = ""});
}

}  // namespace equipoise
