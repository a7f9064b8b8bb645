// Minority guidance end to end: scores of a training set, bins, and the classifier that steers.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "data/augment.h"
#include "guidance/minority_score.h"
#include "nets/network.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// Where the LPIPS networks lie.
struct LpipsFiles {
  std::string backbone = "vgg";
  std::filesystem::path backbone_weights, heads;
};

struct MinorityScoreJob {
  std::filesystem::path model;
  std::string images;  ///< dataset spec
  std::filesystem::path out;
  guidance::MinorityScoreConfig config;
  /// What restored images are compared by: LPIPS, or a classifier's features, or else pixels.
  std::optional<LpipsFiles> lpips;
  std::optional<std::filesystem::path> classifier;
  uint64_t seed = 0;
  int64_t num_workers = 2;
  std::string device = "cpu";
};

/// Scores every image and writes an npz: `scores` [N] float64 in the images' order. The recipe
/// (model, images, distance, noise level: docs/formats/minority.md) is written beside it as .json
/// and returned.
nlohmann::json score_minority(const MinorityScoreJob& job, Progress& progress);

/// Cuts scores into bins and writes an npz: `labels` [N] int64, `thresholds`. The recipe beside it
/// goes on from that of the scores.
nlohmann::json label_minority(const std::filesystem::path& scores, int64_t num_bins,
                              const std::filesystem::path& out);

/// How the classifier of bins is trained.
struct MinorityTrainConfig {
  double validation = 0.05;
  std::string time_law = "uniform_time";
  std::string time_map = "linear";
  data::AugmentConfig augment;
  train::LoopConfig train{.images = 200'000,
                          .batch_size = 64,
                          .learning_rate = 3e-4,
                          .ramp_images = 2'000,
                          .weight_decay = 0,
                          .ema = {.half_life_kimg = 2},
                          .tick_images = 10'000,
                          .snapshot = "best",
                          .patience = 5};
  nets::NetworkConfig network{{"type", "CNN"}};
  std::string extractor = "";

  void fields(FieldVisitor& f);
};

struct MinorityTrainJob {
  std::string images;          ///< the images that were scored
  std::filesystem::path bins;  ///< of label_minority
  std::filesystem::path out;
  MinorityTrainConfig config;
  uint64_t seed = 0;
  std::string device = "cpu";
  bool resume = false;
};

/// Trains a noise-conditioned classifier of the bins on images of every bin in equal shares of
/// training and validation, keeps the weights of least held-out cross-entropy. Returns {"file",
/// "sha256", "bins", "curve", "heldout_loss", "accuracy": by noise level}.
/// Throws: DataError when the bins belong to other images; Interrupted when stopped.
nlohmann::json train_minority(const MinorityTrainJob& job, Progress& progress);

}  // namespace equipoise::pipeline
