// Mean and covariance of a set's features in a file, as tools that measure FIDs exchange them:
// an npz of `mu` [F] and `sigma` [F,F] float64. Ours also hold `num_images` and `recipe`, the bytes
// of a JSON object; others' need not.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "metrics/frechet.h"

namespace equipoise::pipeline {

struct FeatureStatistics {
  at::Tensor mean;        ///< [F] float64
  at::Tensor covariance;  ///< [F,F] float64
  std::optional<int64_t> num_images;
  nlohmann::json recipe;  ///< of the features; null when the file does not say
};

/// True for an npz that holds `mu` and `sigma`. Throws DataError when it is damaged.
bool is_statistics_file(const std::filesystem::path& path);
/// Throws DataError naming the file when the arrays do not fit together or are not finite.
FeatureStatistics read_statistics(const std::filesystem::path& path);
/// Atomic. Throws EnvironmentError when the disk fails.
void save_statistics(const std::filesystem::path& path, const metrics::FeatureMoments& moments,
                     const nlohmann::json& recipe);

}  // namespace equipoise::pipeline
