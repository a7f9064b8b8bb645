// What image sets are compared in: pixels, a classifier's features, or those of a network trained
// elsewhere.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "data/image_set.h"
#include "metrics/features.h"

namespace equipoise::pipeline {

struct FeatureSource {
  metrics::FeatureFunction function;  ///< keeps its network alive
  nlohmann::json recipe;              ///< all that decides the features besides the images
  std::string text;                   ///< the same in one line
  bool is_fid_inception = false;      ///< of the one network whose distances may be called FID
  std::vector<std::string> class_names = {};  ///< of a classifier; empty otherwise
};

/// x / 127.5 - 1, or the vectors themselves.
FeatureSource pixel_source(bool is_vectors);
/// Throws what diffusion::load_classifier throws.
FeatureSource classifier_source(const std::filesystem::path& classifier);
/// `spec` is "NAME" or "NAME:resize=RULE" (nets/extractors).
/// Throws UsageError for unknown names and options, or without `weights`; DataError when the weights
/// do not fit.
FeatureSource extractor_source(const std::string& spec,
                               const std::optional<std::filesystem::path>& weights);

struct ExtractionOptions {
  int64_t num_workers = 1;
  Progress* progress = nullptr;
  /// Features are looked up there by images and recipe, and kept there (io/tensor_cache.h).
  std::optional<std::filesystem::path> cache = {};
};

/// Throws what metrics::extract_features throws; DataError for a cache file that is damaged or was
/// made by another version.
metrics::Features features_of(const data::ImageSet& set, const FeatureSource& source,
                              const ExtractionOptions& options);
/// Without keeping the features, which are not cached either.
metrics::FeatureMoments moments_of(const data::ImageSet& set, const FeatureSource& source,
                                   const ExtractionOptions& options);

}  // namespace equipoise::pipeline
