// Local outlier factor: how much sparser a sample's place is than its neighbours' own places.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/neighbours.h"

namespace equipoise::metrics {

struct LocalOutlierOptions {
  int64_t k = 20;
  int64_t budget_bytes = kBlockBudgetBytes;
};

/// Outlier factors among and against one set of references. With N(a) the k nearest references of a
/// (itself left out) and d_k(b) the distance of b to its k-th:
///
///   reach(a, b) = max(d_k(b), |a - b|)
///   density(a)  = 1 / mean_{b in N(a)} reach(a, b)
///   LOF(a)      = mean_{b in N(a)} density(b) / density(a)
///
/// About 1 within the set whatever its density there, above 1 for outliers. Mean reaches are floored
/// at 1e-10 of their mean over the references, so that images with k copies do not divide by zero.
/// Source: Breunig et al. 2000 (SIGMOD), Definitions 3 to 7. Differs: exactly k neighbours where
/// more are equally far.
class LocalOutlierFactor {
 public:
  /// references [M,F], M > k. Throws: as nearest_neighbours. Cost: M^2 F multiply-adds.
  explicit LocalOutlierFactor(const at::Tensor& references,
                              const LocalOutlierOptions& options = {});
  /// The same with the references' k nearest other references given.
  LocalOutlierFactor(const at::Tensor& references, const Neighbours& own,
                     const LocalOutlierOptions& options);
  /// Of each reference in its own set, the standard use: [M] float64.
  at::Tensor of_references() const;
  /// Of new samples [N,F], "novelty" use: their neighbours are references alone, and no sample
  /// changes another's factor: [N] float64. Cost: N M F multiply-adds.
  at::Tensor of_samples(const at::Tensor& samples) const;

 private:
  at::Tensor mean_reaches(const Neighbours& neighbours) const;
  at::Tensor factors(const at::Tensor& reaches, const Neighbours& neighbours) const;

  at::Tensor references_;
  LocalOutlierOptions options_;
  Neighbours neighbours_;
  double least_reach_ = 0;
  at::Tensor reaches_;  ///< [M] mean reaches of the references
};

}  // namespace equipoise::metrics
