#include "metrics/separation.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::metrics {
namespace {

/// Of each x, the share of `others` below it, ties counting half.
at::Tensor share_below(const at::Tensor& x, const at::Tensor& others) {
  const at::Tensor sorted = std::get<0>(others.sort());
  const at::Tensor below = at::searchsorted(sorted, x, /*out_int32=*/false, /*right=*/false),
                   up_to = at::searchsorted(sorted, x, /*out_int32=*/false, /*right=*/true);
  return (below + up_to).to(at::kDouble) / (2 * static_cast<double>(others.numel()));
}

/// Sample variance over the number of items; 0 for one item.
double variance_of_mean(const at::Tensor& values) {
  if (values.numel() < 2) return 0;
  return values.var().item<double>() / static_cast<double>(values.numel());
}

}  // namespace

Interval separation(const at::Tensor& high, const at::Tensor& low, double level) {
  if (high.numel() == 0 || low.numel() == 0)
    throw UsageError({.where = "AUROC",
                      .what = "one of the two sets is empty",
                      .got = fmt::format("{} and {} items", high.numel(), low.numel()),
                      .expected = "items of both",
                      .hint = ""});
  const at::Tensor of_high = share_below(high, low), of_low = share_below(low, high);
  const double value = of_high.mean().item<double>();
  const int64_t smaller = std::min(high.numel(), low.numel());
  if (value == 0 || value == 1)
    return clopper_pearson_interval(value == 1 ? smaller : 0, smaller, level);
  Interval interval = normal_interval(
      value, std::sqrt(variance_of_mean(of_high) + variance_of_mean(of_low)), level, "DeLong");
  interval.low = std::max(interval.low, 0.0);
  interval.high = std::min(interval.high, 1.0);
  return interval;
}

}  // namespace equipoise::metrics
