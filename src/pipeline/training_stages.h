// The discriminators and denoisers of a run, each from its config to a model file.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "diffusion/density_ratio.h"
#include "diffusion/model_file.h"
#include "objectives/objective.h"
#include "pipeline/experiment_config.h"
#include "pipeline/image_data.h"
#include "track/run_folder.h"
#include "track/stats.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// What all training stages of one run share.
struct TrainingContext {
  const ExperimentConfig& config;
  const ImageData& data;
  const track::RunFolder& folder;
  track::StatsWriter& stats;
  bool resume = false;
  Progress& progress;
  std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>();
};

/// Trains the discriminator of an objective's need (or does nothing for the closed form); writes
/// models/ratio_<kind>.safetensors.
/// Returns the entry of "ratios" with its diagnostics on images it has not seen. Throws Interrupted
/// when stopped on request.
nlohmann::json train_ratio(const TrainingContext& context, objectives::RatioNeed need);

/// The density ratio trained before; null for RatioNeed::kNone.
std::shared_ptr<const diffusion::DensityRatio> load_ratio(const TrainingContext& context,
                                                          objectives::RatioNeed need);

/// What a run's denoisers are made from, words apart: the default network by name and the number of
/// classes of conditional models are filled in.
diffusion::ModelConfig model_config(const ExperimentConfig& config, const nets::DataShape& shape,
                                    int64_t num_groups);

/// Trains the denoiser of one method; writes models/<name>.safetensors. Returns {"model",
/// "training"} of its results entry.
nlohmann::json train_method(const TrainingContext& context, const MethodConfig& method);

/// Writes a stage's ticks into stats.jsonl.
std::function<void(const train::Tick&)> tick_writer(const TrainingContext& context,
                                                    const std::string& name);

/// How many training images `ratio.kind = "posterior"` goes over: all reference ones, and as many
/// biased ones as `ratio.posterior_images` leaves room for, but no fewer than reference ones where
/// there are so many.
int64_t num_posterior_images(const RatioSection& ratio, int64_t biased, int64_t reference);

/// "ratio_time_dependent" or "ratio_time_independent", the model file's name.
std::string ratio_name(objectives::RatioNeed need);

}  // namespace equipoise::pipeline
