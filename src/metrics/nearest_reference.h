// Do samples lie closer to the training images than real images do? A generator that copies says
// yes.
#pragma once

#include <torch/types.h>

#include "metrics/intervals.h"

namespace equipoise::metrics {

/// Distances to the nearest training image: of the samples, and of real images the generator has
/// not seen.
struct NearestReference {
  double median = 0;          ///< of the samples
  double heldout_median = 0;  ///< of held-out real images
  double ratio = 0;           ///< median / heldout_median: well below 1 for copies
  double heldout_p05 = 0;     ///< 5 % of held-out images are closer than this
  /// of the samples; about 0.05 when they are as new as held-out images
  Interval share_closer_than_heldout_p05;
  double share_exact = 0;  ///< of the samples at distance 0 (bit-identical, in pixels)
};

/// Compares distances to the nearest training image, [N] and [H] float64. Throws UsageError when
/// either is empty.
/// Source: ours, after the data-copying tests of Meehan et al. 2020 (arXiv:2004.05675).
/// Limits: smooth samples lie close to everything; a ratio below 1 with a share near 0.05 is blur,
/// not copying.
NearestReference compare_nearest(const at::Tensor& sample_distances,
                                 const at::Tensor& heldout_distances, double level = 0.95);

}  // namespace equipoise::metrics
