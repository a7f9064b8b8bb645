#include "audit/linear_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <boost/math/distributions/students_t.hpp>

#include "core/error.h"

namespace equipoise::audit {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

LinearFit fit_line(const std::vector<double>& x, const std::vector<double>& y, double level) {
  const double n = static_cast<double>(x.size()), mean_x = mean_of(x), mean_y = mean_of(y);
  double xx = 0, xy = 0, yy = 0;
  for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (x.size() != y.size() || x.size() < 3 || !(xx > 0))
    throw UsageError({.where = "linear fit",
                      .what = "no line is determined",
                      .got = fmt::format("{} x, {} y, spread of x {:.3g}", x.size(), y.size(), xx),
                      .expected = "three points at least, whose x differ",
                      .hint = ""});
  const double slope = xy / xx, intercept = mean_y - slope * mean_x;
  const double unexplained = std::max(0.0, yy - slope * xy);
  const double variance = unexplained / (n - 2);
  const boost::math::students_t law(n - 2);
  const double reach = boost::math::quantile(law, 0.5 + level / 2);
  const auto interval = [&](double value, double error) {
    return metrics::Interval{.value = value,
                             .low = value - reach * error,
                             .high = value + reach * error,
                             .level = level,
                             .method = "least squares, Student's t"};
  };
  const double slope_error = std::sqrt(variance / xx);
  LinearFit fit{
      .slope = interval(slope, slope_error),
      .intercept = interval(intercept, std::sqrt(variance * (1 / n + mean_x * mean_x / xx))),
      .r_squared = yy > 0 ? 1 - unexplained / yy : 0,
      .num_points = static_cast<int64_t>(x.size())};
  if (slope != 0)
    fit.p_value =
        slope_error > 0
            ? 2 * boost::math::cdf(boost::math::complement(law, std::abs(slope) / slope_error))
            : 0;
  return fit;
}

nlohmann::ordered_json to_json(const LinearFit& fit) {
  return {{"slope", metrics::to_json(fit.slope)},
          {"intercept", metrics::to_json(fit.intercept)},
          {"r_squared", fit.r_squared},
          {"p_value", fit.p_value},
          {"num_points", fit.num_points}};
}

}  // namespace equipoise::audit
