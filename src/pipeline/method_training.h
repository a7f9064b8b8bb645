// One method's training put together: the weights it begins with, the images it sees, and what is
// added to its objective.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "diffusion/precondition.h"
#include "pipeline/training_stages.h"
#include "train/constrained_task.h"
#include "train/denoiser_task.h"
#include "train/loop.h"

namespace equipoise::pipeline {

/// The network a method trains, and where its weights come from.
struct MethodStart {
  diffusion::ModelConfig model;
  std::shared_ptr<diffusion::PreconditionedDenoiser> denoiser = nullptr;
  std::filesystem::path file = {};       ///< empty = drawn afresh
  std::vector<at::Tensor> weights = {};  ///< of `file`, one a parameter; empty without
};

/// A network as `fresh` describes it, or that of method.training.start, whose description then takes
/// the place of `fresh` (but for `extra`). With mixout its dropout is off: mixout takes that place.
/// Throws UsageError when the model does not fit the run's data.
MethodStart make_start(const TrainingContext& context, const MethodConfig& method,
                       diffusion::ModelConfig fresh);

/// The run's two sets, cut to the groups named; all of them when none is. Throws UsageError for
/// unknown groups.
struct MethodSets {
  at::Tensor biased, reference;  ///< [n] int64
};
MethodSets sets_of(const TrainingContext& context, const std::vector<std::string>& groups);

/// What is trained, and who goes along.
struct MethodTask {
  std::shared_ptr<const train::TrainingTask> task;
  std::vector<std::shared_ptr<train::Companion>> companions;
  std::shared_ptr<train::DualTraining> dual;  ///< null without constraints
  std::vector<train::Floor> floors;           ///< one a constraint
  std::vector<double> shares;                 ///< of the groups in the main set
};

/// The denoiser's task with constraints, pull, mixout and direction statistics as the method and
/// [train] ask for. Throws UsageError when a threshold is below what any denoiser can reach.
MethodTask make_task(const TrainingContext& context, const MethodConfig& method,
                     const MethodStart& start, const MethodSets& sets,
                     const train::DenoiserTask::Parts& parts, const train::LoopConfig& loop);

/// [train] with the method's own number of images and learning rate.
train::LoopConfig loop_of(const ExperimentConfig& config, const MethodConfig& method);

/// What there is to add to the method's results: "constraints" and "start" where it has them.
nlohmann::json describe(const TrainingContext& context, const MethodConfig& method,
                        const MethodStart& start, const MethodTask& task,
                        const train::TrainResult& result);

}  // namespace equipoise::pipeline
