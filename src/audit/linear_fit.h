// A straight line through points, by least squares.
#pragma once

#include <cstdint>
#include <vector>

#include <nlohmann/json.hpp>

#include "metrics/intervals.h"

namespace equipoise::audit {

struct LinearFit {
  metrics::Interval slope;      ///< Student's t
  metrics::Interval intercept;  ///< Student's t
  double r_squared = 0;         ///< share of the variance of y; 0 when y is constant
  double p_value = 1;           ///< two-sided, of slope 0
  int64_t num_points = 0;
};

/// argmin sum_i (y_i - intercept - slope x_i)^2. Intervals and p hold for errors that are
/// independent, normal and of one variance.
/// Throws: UsageError for fewer than three points, unequal counts, or x all equal.
LinearFit fit_line(const std::vector<double>& x, const std::vector<double>& y, double level = 0.95);

/// {"slope", "intercept", "r_squared", "p_value", "num_points"}
nlohmann::ordered_json to_json(const LinearFit& fit);

}  // namespace equipoise::audit
