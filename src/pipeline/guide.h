// Training the discriminator that guides a given model: its own samples against real images.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "data/augment.h"
#include "nets/network.h"
#include "pipeline/sampling_method.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// How the discriminator is made. Also the section [guide] of a run.
struct GuideConfig {
  int64_t generated = 10'000;
  double validation = 0.1;
  std::string time_law = "log_uniform_sigma";
  std::string time_map = "linear";
  data::AugmentConfig augment;
  train::LoopConfig train{.images = 200'000,
                          .batch_size = 64,
                          .learning_rate = 3e-4,
                          .ramp_images = 2'000,
                          .weight_decay = 1e-7,
                          .ema = {.half_life_kimg = 2},
                          .tick_images = 10'000,
                          .snapshot = "best",
                          .patience = 5};
  nets::NetworkConfig network{{"type", "CNN"}};
  std::string extractor = "";

  void fields(FieldVisitor& f);
};

/// Real images and their classes; labels undefined where the model is unconditional.
struct RealImages {
  at::Tensor images;  ///< [N,C,H,W] uint8, or [N,D] float32
  at::Tensor labels;  ///< [N] int64
};

struct GuideJob {
  std::filesystem::path model;
  std::filesystem::path out;        ///< the discriminator
  std::filesystem::path generated;  ///< npz: samples of the model; drawn where it is not there yet
  RealImages real;
  SamplingMethod method;  ///< how the samples are drawn: as those to be guided
  GuideConfig config;
  uint64_t seed = 0;
  int64_t num_workers = 2;
  std::string device = "cpu";
  bool resume = false;
  std::function<void(const train::Tick&)> on_tick = {};
};

/// Draws config.generated samples of the model, trains a discriminator between them (0) and as many
/// real images in every batch (1), keeps the weights of least held-out cross-entropy and writes
/// them with their time map. Class-conditional when the model is and the real images have labels.
/// Returns {"file", "sha256", "num_parameters", "num_generated", "num_real", "curve",
/// "snapshot_images", "heldout_bce", "levels": the examination of docs/formats/results.md}.
/// Source: Kim et al. 2023 (arXiv:2211.17091). Differs: cross-entropy from logits; the snapshot is
/// chosen on held-out images.
/// Random: samples are images 2^41, 2^41 + 1, … of `seed`, so that none is an image to be guided.
/// Throws: UsageError when the images do not fit the model; Interrupted when stopped (the
/// checkpoint is saved beside `out`).
nlohmann::json train_guide(const GuideJob& job, Progress& progress);

}  // namespace equipoise::pipeline
