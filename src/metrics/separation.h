// How well one number parts two kinds of items, whatever the threshold.
#pragma once

#include <torch/types.h>

#include "metrics/intervals.h"

namespace equipoise::metrics {

/// Area under the ROC curve: P(x > y) + P(x = y) / 2 for x of `high`, y of `low`; 0.5 when the number
/// says nothing, 1 when every x is above every y.
///
/// Interval: normal, with DeLong's variance (DeLong, DeLong and Clarke-Pearson 1988), cut at 0 and 1;
/// at a value of 0 or 1, where that variance is 0, Clopper and Pearson's for the smaller set.
/// Shapes: high [m], low [n], both float64 and without NaN. Throws UsageError when either is empty.
Interval separation(const at::Tensor& high, const at::Tensor& low, double level = 0.95);

}  // namespace equipoise::metrics
