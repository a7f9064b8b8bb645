// Fréchet distance between two sets of features, each taken as a Gaussian:
//
//   |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2)
//
// It is named for what it is. "FID" is this distance on one particular Inception network and is
// never the name of others: values are comparable only when extractor, preprocessing and number of
// images agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "metrics/intervals.h"

namespace equipoise::metrics {

/// Mean and covariance of a stream of features, in float64.
///
/// Source: Chan, Golub & LeVeque 1979 (merging of centred moments), so that neither batch size nor
/// order matters beyond rounding.
class FeatureMoments {
 public:
  explicit FeatureMoments(int64_t num_features);
  /// Adds a batch [B,F] of any floating type. Throws UsageError on its shape, NumericError when it
  /// is not finite.
  void add(const at::Tensor& features);
  void merge(const FeatureMoments& other);

  int64_t count() const { return count_; }
  int64_t num_features() const { return mean_.size(0); }
  at::Tensor mean() const { return mean_; }  ///< [F] float64
  /// [F,F] float64, divided by count - 1. Throws UsageError for fewer than two rows.
  at::Tensor covariance() const;

 private:
  int64_t count_ = 0;
  at::Tensor mean_;
  at::Tensor scatter_;  ///< sum of (x - mean)(x - mean)^T
};

/// The moments of a whole matrix [N,F].
FeatureMoments moments_of(const at::Tensor& features);

struct FrechetDistance {
  double value = 0;            ///< mean_term + covariance_term, not below 0
  double mean_term = 0;        ///< |m1 - m2|^2
  double covariance_term = 0;  ///< tr(S1 + S2 - 2 (S1 S2)^1/2)
  double clipped_mass = 0;     ///< sum of negative eigenvalues set to 0: rounding, unless large
};

/// Fréchet distance from moments, by symmetric square roots:
///
///   tr (S1 S2)^1/2 = tr (R S1 R)^1/2  with  R = S2^1/2
///
/// Unlike the square root of the unsymmetric product it needs no complex numbers and no added
/// diagonal when S1 or S2 is singular.
/// Source: Dowson & Landau 1982; Heusel et al. 2017 for its use on images. Throws: UsageError when
/// sizes differ.
FrechetDistance frechet_distance(const FeatureMoments& a, const FeatureMoments& b);
FrechetDistance frechet_distance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                                 const at::Tensor& mean_b, const at::Tensor& covariance_b);

/// A reference whose square root R is taken once, for many distances to it.
class FrechetReference {
 public:
  FrechetReference(const FeatureMoments& moments);
  /// mean [F], covariance [F,F] float64. Throws: UsageError on their shapes, NumericError when not
  /// finite.
  FrechetReference(const at::Tensor& mean, const at::Tensor& covariance);
  /// As frechet_distance. Cost: two products and one set of eigenvalues of [F,F] matrices.
  FrechetDistance distance_to(const FeatureMoments& samples) const;
  FrechetDistance distance_to(const at::Tensor& mean, const at::Tensor& covariance) const;

 private:
  at::Tensor mean_;
  at::Tensor covariance_;
  at::Tensor root_;
  double clipped_mass_ = 0;
};

/// Interval of the distance of `samples` [N,F] to a fixed reference: samples are resampled, the
/// reference is not. It covers the expected distance at this N. The distance's bias at this N is
/// what `frechet_floor` is for.
Interval frechet_interval(const at::Tensor& samples, const FrechetReference& reference,
                          const BootstrapOptions& options = {.num_replicates = 200});

/// What real images score: distance of a random part of the reference, as large as the sample set
/// where half the reference allows it, to the rest of the reference.
struct FrechetFloor {
  double value = 0;
  int64_t num_part = 0;
  int64_t num_rest = 0;
};
FrechetFloor frechet_floor(const at::Tensor& reference, int64_t num_samples, uint64_t seed);

/// Plain sentences on sample sizes that make the distance unreliable; empty when there are enough
/// of both, as far as the number of references is known.
std::vector<std::string> frechet_warnings(int64_t num_samples, std::optional<int64_t> num_reference,
                                          int64_t num_features);

}  // namespace equipoise::metrics
