// Many values as counts, in the form in which TensorBoard takes histograms.
#pragma once

#include <vector>

#include <torch/types.h>

namespace equipoise::track {

/// Bucket i counts the values from limits[i - 1] (the first: from the least double) up to, not
/// including, limits[i].
struct ValueHistogram {
  double min = 0, max = 0, num = 0, sum = 0, sum_squares = 0;
  std::vector<double> limits;
  std::vector<double> counts;
};

/// The finite elements of `values`, counted in TensorBoard's buckets: limits grow by a tenth from
/// 1e-12 to 1e20 on either side of zero, and a row of empty buckets is one.
///
/// Shapes: any, floating point, on the CPU; no finite element gives one empty bucket.
ValueHistogram histogram_of(const at::Tensor& values);

/// Counts that were made already, between `edges` (one more than `counts`). What only the values
/// themselves tell is taken from the middles of the buckets (sums) and from the outermost edges
/// that enclose a value (min, max).
/// Throws UsageError when the numbers of edges and counts do not fit.
ValueHistogram histogram_of_counts(const std::vector<double>& edges,
                                   const std::vector<double>& counts);

}  // namespace equipoise::track
