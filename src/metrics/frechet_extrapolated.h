// The Fréchet distance that infinitely many samples would have: "FID-infinity" on the features of the
// FID's Inception network.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "metrics/frechet.h"

namespace equipoise::metrics {

/// distance(n) = value + slope / n, fitted by least squares.
struct ExtrapolatedFrechet {
  double value = 0;           ///< at infinite n; may be below 0 by the fit's error
  double slope = 0;           ///< how much the distance owes to few samples, times their number
  double standard_error = 0;  ///< of `value`, as the points' scatter about the line tells it
  std::vector<int64_t> sizes;
  std::vector<double> distances;
};

/// Fits the line through distances at several numbers of samples.
/// Throws: UsageError when lengths differ or fewer than three different sizes are there.
ExtrapolatedFrechet extrapolate_to_infinity(const std::vector<int64_t>& sizes,
                                            const std::vector<double>& distances);

struct ExtrapolationOptions {
  int64_t num_points = 15;
  double smallest_share = 0.1;  ///< of the samples, at the first point; the last has all
  uint64_t seed = 0;
};

/// Distances of random parts of `samples` [N,F] to the reference, at sizes equally spaced from
/// smallest_share N to N, and their line.
///
/// Source: Chong & Forsyth 2020 (arXiv:1911.07023), FID-infinity; 5,000 to 50,000 samples in 15 steps
/// there. Differs: random parts, no quasi-random latents.
/// Random: point i draws without replacement from stream (seed, kBootstrap, i, 80), by content, so
/// that the order of images changes nothing.
/// Throws: UsageError when N < 2 num_points, or shapes differ; NumericError when not finite.
/// Cost: num_points covariances and sets of eigenvalues.
/// Limits: the law in 1/n holds for n well above F. Only the samples' number is extrapolated: the
/// reference's own finite size stays in the value. All parts are of one sample set, so that
/// `standard_error` does not hold how that set fell out.
ExtrapolatedFrechet frechet_extrapolated(const at::Tensor& samples,
                                         const FrechetReference& reference,
                                         const ExtrapolationOptions& options = {});

}  // namespace equipoise::metrics
