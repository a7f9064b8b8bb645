#include "track/value_histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::track {
namespace {

constexpr double kLeastLimit = 1e-12, kGreatestLimit = 1e20, kGrowth = 1.1;
constexpr double kGreatestDouble = std::numeric_limits<double>::max();

std::vector<double> make_limits() {
  std::vector<double> positive;
  for (double limit = kLeastLimit; limit < kGreatestLimit; limit *= kGrowth)
    positive.push_back(limit);
  positive.push_back(kGreatestDouble);
  std::vector<double> limits;
  for (auto limit = positive.rbegin(); limit != positive.rend(); ++limit) limits.push_back(-*limit);
  limits.push_back(0);
  limits.insert(limits.end(), positive.begin(), positive.end());
  return limits;
}

const std::vector<double>& all_limits() {
  static const std::vector<double> limits = make_limits();
  return limits;
}

/// Leaves out buckets that only lengthen a row of empty ones.
void keep_buckets(ValueHistogram& histogram, const std::vector<double>& limits,
                  const std::vector<double>& counts) {
  for (size_t i = 0; i < limits.size(); ++i) {
    const bool lengthens = i > 0 && counts[i - 1] == 0 && counts[i] == 0;
    if (lengthens) {
      histogram.limits.back() = limits[i];
    } else {
      histogram.limits.push_back(limits[i]);
      histogram.counts.push_back(counts[i]);
    }
  }
}

}  // namespace

ValueHistogram histogram_of(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kDouble).contiguous().view(-1);
  const auto* elements = flat.data_ptr<double>();
  const std::vector<double>& limits = all_limits();
  std::vector<double> counts(limits.size(), 0);
  ValueHistogram histogram;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    const double value = elements[i];
    if (!std::isfinite(value)) continue;
    histogram.min = histogram.num > 0 ? std::min(histogram.min, value) : value;
    histogram.max = histogram.num > 0 ? std::max(histogram.max, value) : value;
    histogram.num += 1;
    histogram.sum += value;
    histogram.sum_squares += value * value;
    // The greatest double itself has no limit above it; it joins the last bucket.
    const auto limit = std::upper_bound(limits.begin(), limits.end() - 1, value);
    counts[static_cast<size_t>(limit - limits.begin())] += 1;
  }
  keep_buckets(histogram, limits, counts);
  return histogram;
}

ValueHistogram histogram_of_counts(const std::vector<double>& edges,
                                   const std::vector<double>& counts) {
  if (edges.size() != counts.size() + 1)
    throw UsageError({.where = "histogram",
                      .what = "edges and counts do not fit",
                      .got = fmt::format("{} edges, {} counts", edges.size(), counts.size()),
                      .expected = "one more edge than counts"});
  ValueHistogram histogram{.limits = {edges.front()}, .counts = {0}};
  for (size_t i = 0; i < counts.size(); ++i) {
    const double middle = (edges[i] + edges[i + 1]) / 2;
    if (counts[i] > 0) {
      if (histogram.num == 0) histogram.min = edges[i];
      histogram.max = edges[i + 1];
    }
    histogram.num += counts[i];
    histogram.sum += counts[i] * middle;
    histogram.sum_squares += counts[i] * middle * middle;
    histogram.limits.push_back(edges[i + 1]);
    histogram.counts.push_back(counts[i]);
  }
  return histogram;
}

}  // namespace equipoise::track
