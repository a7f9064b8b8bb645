// How noisy the gradients of mini-batches are, told by their directions.
//
// At fixed weights each mini-batch i has a gradient g_i with direction u_i = g_i / |g_i|. The
// directions are described by a von Mises-Fisher law on the sphere of R^d, density ~ exp(kappa mu' u):
//
//   rbar  = |sum u_i| / n                                  0: no common direction, 1: all the same
//   kappa = rbar (d - rbar^2) / (1 - rbar^2)               moment estimate; refined by Newton on A_d(kappa) = rbar
//   GS    = |mean g| / sqrt(tr Cov g),  GNS = mean |g| / sd |g|
//
// Pure noise does not give kappa 0 but about d / sqrt(n): kappa is to be held against `kappa_null`,
// or taken from the corrected rbar. kappa grows with d; between layers compare rbar_corrected and
// kappa / d.
// Sources: "Directional Analysis of Stochastic Gradient Descent via von Mises-Fisher Distributions in
// Deep Learning", which names the three measures; estimators after Banerjee et al. 2005 and Sra 2012.
#pragma once

#include <cstdint>

#include <torch/types.h>
#include <nlohmann/json.hpp>

namespace equipoise::train {

/// A_d(kappa) = I_{d/2}(kappa) / I_{d/2-1}(kappa), the resultant length of a von Mises-Fisher law in
/// d dimensions, by a continued fraction (no Bessel function, which would overflow); above kappa =
/// 100 d by its expansion, within 1e-5.
double mean_resultant(double dimension, double kappa);
/// The moment estimate of kappa; infinite at resultant 1.
double concentration(double dimension, double resultant);
/// The same after two Newton steps towards A_d(kappa) = resultant.
double refined_concentration(double dimension, double resultant);

/// What n gradients say. Where a number does not exist (rbar_corrected at n = 1) it is NaN.
struct DirectionSummary {
  int64_t dimension = 0;
  int64_t num_gradients = 0;
  int64_t num_skipped = 0;  ///< gradients that were zero or not finite
  double resultant = 0;     ///< rbar
  /// sqrt of (n rbar^2 - 1) / (n - 1), unbiased for the squared resultant, not below 0.
  double resultant_corrected = 0;
  double kappa = 0, kappa_refined = 0;
  double kappa_corrected = 0;  ///< moment estimate from resultant_corrected
  double kappa_null = 0;  ///< moment estimate at rbar = 1 / sqrt(n): directions without structure
  double gradient_signal = 0;  ///< GS
  double norm_signal = 0;      ///< GNS
  /// Cosine between mean direction and mean gradient.
  double cosine_to_mean = 0;

  nlohmann::ordered_json to_json() const;
};

/// Takes gradients one by one; two vectors of float64 are all it keeps.
class DirectionAccumulator {
 public:
  explicit DirectionAccumulator(int64_t dimension);
  /// gradient: [d], any floating type. Zero and non-finite gradients are counted and left out.
  void add(const at::Tensor& gradient);
  /// Everything that another one took.
  void add(const DirectionAccumulator& other);
  DirectionSummary summary() const;
  /// mu = sum u_i / |sum u_i|, [d] float64; zeros when the directions cancel.
  at::Tensor mean_direction() const;

 private:
  int64_t num_ = 0, num_skipped_ = 0;
  double norm_sum_ = 0, square_sum_ = 0;
  at::Tensor direction_sum_, gradient_sum_;  // [d] float64
};

}  // namespace equipoise::train
