// Measuring a set of samples against a reference set, without training anything.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/progress.h"

namespace equipoise::pipeline {

struct EvaluateJob {
  std::string samples;    ///< dataset spec
  std::string reference;  ///< dataset spec, or an npz of mean and covariance (statistics_file.h)
  /// Counts the samples' groups; unless `features` says otherwise, distances are on its features.
  std::optional<std::filesystem::path> classifier;
  /// "NAME[:resize=RULE]" of an extractor, "classifier" or "pixels"; "" = the classifier's where
  /// there is one, else pixels.
  std::string features;
  std::optional<std::filesystem::path> weights;  ///< the extractor's

  std::vector<std::string> metrics;  ///< by name; empty = all that the inputs allow
  nlohmann::json metric_options = nlohmann::json::object();  ///< by metric name
  /// What divides the images: an attribute of the reference, or a cross of several ("genderxrace").
  /// The classifier tells it apart; without one the samples need it too. "" = "class" with a
  /// classifier or `class_wise`, else no groups.
  std::string group;
  std::string target = "reference";  ///< sample_groups.h: target_shares
  bool class_wise = false;           ///< the image metrics for each group apart, too
  int64_t min_group = 50;            ///< groups of fewer images are named and left out of that
  /// Another model's samples from the same latents, image by image: is the difference real?
  std::string against;

  std::optional<std::filesystem::path> save_stats;  ///< where the reference's statistics go
  std::optional<std::filesystem::path> cache;       ///< a folder of features (feature_source.h)
  int64_t num_workers = 2;
  uint64_t seed = 0;
};

/// docs/formats/evaluation.md: the measured keys of a method's entry in results.json, with groups
/// and recipe.
/// Throws: DataError when a set has fewer than two images, or the sets do not fit each other or the
/// classifier; UsageError when parts of the job contradict each other, or a metric that was named
/// lacks an input.
nlohmann::json evaluate_samples(const EvaluateJob& job, Progress& progress);

/// Writes the statistics of the reference alone, holding no features; returns the number of images.
/// `job.samples` is not looked at. Throws as evaluate_samples.
int64_t save_reference_statistics(const EvaluateJob& job, Progress& progress);

/// A table for the terminal: shares, total variation, Fréchet distance and coverage; with
/// `every_number` every other measured headline, group and difference too.
std::string evaluation_text(const nlohmann::json& evaluation, bool every_number = false);

}  // namespace equipoise::pipeline
