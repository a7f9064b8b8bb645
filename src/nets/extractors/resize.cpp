#include "nets/extractors/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::nets {
namespace {

constexpr std::array<std::pair<const char*, ResizeMode>, 6> kNames{{
    {"tf_bilinear", ResizeMode::kTfBilinear},
    {"bilinear", ResizeMode::kBilinear},
    {"bilinear_antialias", ResizeMode::kBilinearAntialias},
    {"bicubic", ResizeMode::kBicubic},
    {"bicubic_antialias", ResizeMode::kBicubicAntialias},
    {"none", ResizeMode::kNone},
}};

double triangle(double x) {
  return std::max(0.0, 1 - std::abs(x));
}

double cubic(double x, double a) {
  const double d = std::abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? a * (((d - 5) * d + 8) * d - 4) : 0;
}

struct Rule {
  double support;  // the kernel is 0 beyond
  bool is_antialiased, is_centred;
  double (*kernel)(double);
};

Rule rule_of(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::kTfBilinear:
      return {1, false, false, triangle};
    case ResizeMode::kBilinear:
      return {1, false, true, triangle};
    case ResizeMode::kBilinearAntialias:
      return {1, true, true, triangle};
    case ResizeMode::kBicubic:
      return {2, false, true, [](double x) { return cubic(x, -0.75); }};
    case ResizeMode::kBicubicAntialias:
      return {2, true, true, [](double x) { return cubic(x, -0.5); }};
    case ResizeMode::kNone:
      break;
  }
  throw std::logic_error("internal error: resizing by no rule");
}

// [out, in] float64, rows sum to 1.
at::Tensor weights(int64_t in, int64_t out, const Rule& rule) {
  at::Tensor result = at::zeros({out, in}, at::kDouble);
  auto weight = result.accessor<double, 2>();
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double width = rule.is_antialiased ? std::max(scale, 1.0) : 1;
  const double reach = rule.support * width;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = rule.is_centred ? (static_cast<double>(i) + 0.5) * scale - 0.5
                                          : static_cast<double>(i) * scale;
    const auto first = static_cast<int64_t>(std::ceil(centre - reach));
    const auto last = static_cast<int64_t>(std::floor(centre + reach));
    for (int64_t x = first; x <= last; ++x) {
      const int64_t nearest = std::clamp<int64_t>(x, 0, in - 1);
      if (nearest == x || !rule.is_antialiased)
        weight[i][nearest] += rule.kernel((static_cast<double>(x) - centre) / width);
    }
  }
  return result / result.sum(1, /*keepdim=*/true);
}

// Along the last axis.
at::Tensor resize_last(const at::Tensor& x, int64_t size, const Rule& rule) {
  if (x.size(-1) == size) return x;
  return at::matmul(x, weights(x.size(-1), size, rule).t().to(x.options()));
}

}  // namespace

std::string to_text(ResizeMode mode) {
  for (const auto& [name, known] : kNames)
    if (known == mode) return name;
  throw std::logic_error("internal error: a resize mode without a name");
}

std::vector<std::string> resize_mode_names() {
  std::vector<std::string> names;
  for (const auto& [name, mode] : kNames) names.emplace_back(name);
  return names;
}

ResizeMode resize_mode_named(const std::string& name) {
  for (const auto& [known, mode] : kNames)
    if (name == known) return mode;
  throw unknown_name("resize mode", name, resize_mode_names());
}

at::Tensor resize(const at::Tensor& images, int64_t height, int64_t width, ResizeMode mode) {
  check_shape(images, {kAny, kAny, kAny, kAny}, "images");
  if (height < 1 || width < 1 || images.size(2) < 1 || images.size(3) < 1)
    throw UsageError({.where = "resize",
                      .what = "impossible size",
                      .got = fmt::format("{} to {} x {}", describe(images), height, width),
                      .expected = "one pixel at least"});
  if (images.size(2) == height && images.size(3) == width) return images;
  if (mode == ResizeMode::kNone)
    throw UsageError({.where = "resize",
                      .what = "the images are of another size and resizing is off",
                      .got = fmt::format("{} x {}", images.size(2), images.size(3)),
                      .expected = fmt::format("{} x {}", height, width),
                      .hint = "a resize mode"});
  const Rule rule = rule_of(mode);
  const at::Tensor wide = resize_last(images, width, rule);
  return resize_last(wide.transpose(2, 3), height, rule).transpose(2, 3);
}

}  // namespace equipoise::nets
