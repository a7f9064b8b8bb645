// What a run will need, told before it starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/progress.h"
#include "pipeline/experiment_config.h"

namespace equipoise::pipeline {

/// One training stage's memory, in bytes.
struct StagePlan {
  std::string network;  ///< "denoiser", "discriminator" or "classifier", and its type
  int64_t num_parameters = 0;
  int64_t weights = 0;      ///< with their average
  int64_t optimizer = 0;    ///< Adam's two moments
  int64_t gradients = 0;    ///< of every lane, and on a device their sum
  int64_t activations = 0;  ///< of every lane, forward and back
  int64_t batch = 0;        ///< images as floats
  int64_t ratio = 0;        ///< of a denoiser: the discriminators it asks, with their images
  int64_t total() const { return weights + optimizer + gradients + activations + batch + ratio; }
};

struct RunPlan {
  int64_t image_bytes = 0;  ///< of all sets, as they stay in memory
  std::vector<StagePlan> stages;
};

/// Reads the data, builds every network and, to learn what activations take, trains each on two
/// micro-batches of noise; writes nothing. On a processor, under `install_caching_allocator`;
/// elsewhere activations are not known and 0.
/// Throws what the run itself would throw of its data and networks.
RunPlan make_plan(const ExperimentConfig& config, Progress& progress);

/// A line a stage, and the most that is needed at once.
std::string to_text(const RunPlan& plan);

}  // namespace equipoise::pipeline
