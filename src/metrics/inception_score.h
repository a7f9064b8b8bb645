// How sure and how varied a classifier's answers about the samples are. "Inception score" is this
// number with one particular Inception network; with other classifiers it is named predicted-class
// score. It knows no reference: a set of one perfect image a class is as good as can be.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "metrics/intervals.h"

namespace equipoise::metrics {

/// exp( mean_x KL( p(y|x) || p(y) ) ), p(y) = mean_x p(y|x), from 1 (answers never differ) to the
/// number of classes (sure answers, all classes equally often).
///
/// Source: Salimans et al. 2016 (arXiv:1606.03498), Sec. 4. Differs: none.
/// Shapes: logits [N,K] before the softmax, N >= 1, any floating type, computed in float64.
/// Throws: UsageError on shapes; NumericError when a logit is not finite.
double predicted_class_score(const at::Tensor& logits);

/// Interval of the score of all N samples at once, which are resampled. It covers the expected score
/// at this N; that is below the score for many samples, by about (K - 1) / 2N of it at most.
Interval predicted_class_interval(const at::Tensor& logits,
                                  const BootstrapOptions& options = {.num_replicates = 200});

struct ScoreSplits {
  double mean = 0;
  double standard_deviation = 0;  ///< over splits, divided by num_splits
  int64_t num_splits = 0;
};
/// The score as published: over equal random parts of the samples (authors' code: 10).
/// Random: stream (seed, kBootstrap, 0, 60), by content, so that the order of images changes nothing.
/// Throws: UsageError when there are fewer samples than splits.
ScoreSplits predicted_class_splits(const at::Tensor& logits, int64_t num_splits, uint64_t seed);

}  // namespace equipoise::metrics
