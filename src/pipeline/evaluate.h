// Measuring a set of samples against a reference set, without training anything.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/progress.h"

namespace equipoise::pipeline {

struct EvaluateJob {
  std::string samples;    ///< dataset spec
  std::string reference;  ///< dataset spec
  /// Gives group shares and features; without it distances are on pixels.
  std::optional<std::filesystem::path> classifier;
  int64_t num_workers = 2;
  uint64_t seed = 0;
};

/// The method entry of docs/formats/results.md ("counts", "shares", "total_variation", "frechet",
/// "coverage", …) with the recipe.
/// Throws DataError / UsageError when the sets do not fit each other or the classifier.
nlohmann::json evaluate_samples(const EvaluateJob& job, Progress& progress);
/// A table for the terminal.
std::string evaluation_text(const nlohmann::json& evaluation);

}  // namespace equipoise::pipeline
