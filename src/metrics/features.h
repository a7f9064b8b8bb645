// Features and logits of many images: what every metric on images starts from.
#pragma once

#include <cstdint>
#include <functional>

#include <torch/types.h>

#include "core/progress.h"
#include "metrics/frechet.h"
#include "nets/classifier.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::metrics {

struct Features {
  at::Tensor features;  ///< [N,F] float32
  at::Tensor logits;    ///< [N,K] float32, or undefined where the network has none
  /// [N] int64, the group of the largest logit (the first of equals).
  at::Tensor predicted_groups() const;
};

struct FeatureOptions {
  int64_t num_workers = 1;       ///< one-thread workers
  Progress* progress = nullptr;  ///< told of images done; may be null
};

/// Computes a batch of images as they are stored: [b,C,H,W] uint8, or vectors [b,D] float32. Called
/// from several threads at once.
using FeatureFunction = std::function<Features(const at::Tensor& images)>;
/// Bytes are read as x / 127.5 - 1. The classifier must be on the CPU, in evaluation mode, and
/// outlive the function.
FeatureFunction feature_function(nets::ClassifierNetwork& classifier);
/// The extractor must outlive the function.
FeatureFunction feature_function(const nets::FeatureExtractor& extractor);

/// Features of images [N,C,H,W] uint8 or vectors [N,D] float32, without autograd.
///
/// Images go in fixed chunks of 64, each computed by one worker alone, so the result does not
/// depend on num_workers.
/// Throws: UsageError on shape or type; NumericError when a feature is not finite; what the
/// function throws.
Features extract_features(const FeatureFunction& function, const at::Tensor& images,
                          const FeatureOptions& options = {});
Features extract_features(nets::ClassifierNetwork& classifier, const at::Tensor& images,
                          const FeatureOptions& options = {});

/// Mean and covariance of the same features, which are not kept: for sets of any size. Chunks are
/// merged in the order of the images, whichever worker is done first. Throws as extract_features.
/// Memory: two [F,F] matrices, and a few chunks that wait for their turn.
FeatureMoments extract_moments(const FeatureFunction& function, const at::Tensor& images,
                               const FeatureOptions& options = {});

}  // namespace equipoise::metrics
