// Auditing a conditional model through its own answers: nothing is trained, and nothing sampled.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/progress.h"

namespace equipoise::pipeline {

struct AuditJob {
  std::filesystem::path model;  ///< told of words or classes
  std::string images;           ///< dataset spec
  at::Tensor rows = {};         ///< of its images, those that may be shown; undefined = all
  std::string attribute = "class";
  /// Of audit_methods(); empty = all that the model allows.
  std::vector<std::string> methods = {};
  /// A word a value of the attribute, in the order of the values; empty = the words that the model
  /// was shown these groups with and not all others. Models told of classes: class names.
  std::vector<std::string> prompts = {};
  /// Empty = a word that all groups were shown with; without one, no word.
  std::string neutral = "";
  /// Word vectors for prompts that the model was not trained on: the file it was made with.
  std::optional<std::filesystem::path> word_file = {};
  /// Samples made for a word, as a dataset spec: what embedding_bias judges that word by. Words
  /// without are judged by what the model makes of `images` under them.
  std::map<std::string, std::string> generated = {};
  /// Samples of several words, as a dataset spec whose labels are the words' numbers: with these,
  /// only words that they or `generated` have images of are judged.
  std::string samples = "";
  int64_t num_images = 250;
  std::vector<int64_t> steps = {5, 20, 100, 300, 600};
  int64_t num_draws = 1;
  int64_t elbo_draws = 0;  ///< 0 = as many forward passes as score_decomposition takes
  double distance_power = 2;  ///< p of score_decomposition_distance
  double tolerance = 0.1;  ///< of group balance
  uint64_t seed = 0;
  int64_t num_workers = 2;
  std::string device = "cpu";
};

/// score_decomposition and its variants _cosine, _pca and _distance, elbo, score_similarity,
/// embedding_bias, lipschitz.
const std::vector<std::string>& audit_methods();

/// What docs/formats/audit.md describes. Images are drawn from the set without replacement (stream
/// (seed, kSplit, 5)).
/// Throws: UsageError for unknown methods, attributes and words, prompts that coincide, images that
/// do not fit or are made for no such word, and models without conditions; DataError for the files;
/// Interrupted when stopped.
nlohmann::ordered_json audit_model(const AuditJob& job, Progress& progress);
/// A table for the terminal.
std::string audit_text(const nlohmann::ordered_json& audit);

}  // namespace equipoise::pipeline
