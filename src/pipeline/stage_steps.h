// What every training stage does around its own part: seeds, shuffles, the loop with its
// checkpoint, and the entry in results.json.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/libtorch.h"
#include "pipeline/training_stages.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// Streams of the shuffled sets; each stage has two (biased, reference), so that no two stages share
/// an order.
enum StreamId : uint32_t {
  kClassifierStream = 0,
  kRatioStream = 2,
  kMethodStream = 4,
  kLabelStream = 6,
  kAccuracyStream = 8
};

uint64_t seed_of(const TrainingContext& context);
at::Device device_of(const TrainingContext& context);

/// The first `count` of them, or all.
at::Tensor prefix(const at::Tensor& indices, int64_t count);
/// In the order of the run's seed and `part`.
at::Tensor shuffled(const at::Tensor& indices, uint64_t seed, uint32_t part);

/// Runs the loop with checkpoint models/NAME.checkpoint.safetensors. Throws Interrupted when stopped
/// on request.
train::TrainResult run_stage(const TrainingContext& context, const train::TrainingTask& task,
                             std::vector<at::Tensor> parameters, const train::LoopConfig& config,
                             const std::string& name,
                             const std::vector<std::shared_ptr<train::Companion>>& companions = {});
/// To be called once the stage's model is written.
void remove_checkpoint(const TrainingContext& context, const std::string& name);

/// {"images", "seconds", "images_per_sec", "snapshot_images", "bad_steps", "curve"}.
nlohmann::json training_json(const train::TrainResult& result);
/// {"file", "sha256", "num_parameters"} of models/NAME.safetensors.
nlohmann::json model_json(const TrainingContext& context, const std::string& name,
                          const torch::nn::Module& module);

}  // namespace equipoise::pipeline
