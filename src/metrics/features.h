// Features and logits of many images: what every metric on images starts from.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "core/progress.h"
#include "nets/classifier.h"

namespace equipoise::metrics {

struct Features {
  at::Tensor features;  ///< [N,F] float32
  at::Tensor logits;    ///< [N,K] float32
  /// [N] int64, the group of the largest logit (the first of equals).
  at::Tensor predicted_groups() const;
};

struct FeatureOptions {
  int64_t num_workers = 1;       ///< one-thread workers
  Progress* progress = nullptr;  ///< told of images done; may be null
};

/// Runs a classifier over images [N,C,H,W] uint8 (read as x / 127.5 - 1) or vectors [N,D] float32,
/// without autograd.
///
/// Images go in fixed chunks of 64, each computed by one worker alone, so the result does not
/// depend on num_workers. The classifier must be on the CPU and in evaluation mode.
/// Throws: UsageError on shape or type; NumericError when a feature is not finite; what the
/// classifier throws.
Features extract_features(nets::ClassifierNetwork& classifier, const at::Tensor& images,
                          const FeatureOptions& options = {});

}  // namespace equipoise::metrics
