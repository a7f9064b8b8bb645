// The main job: a biased image set in, models, samples, measurements and a report out.
#pragma once

#include <filesystem>
#include <memory>

#include "core/process_group.h"
#include "core/progress.h"
#include "pipeline/experiment_config.h"

namespace equipoise::pipeline {

/// Runs every stage of `config` in `folder` and leaves there config.toml, split.json, stats.jsonl,
/// models/, samples/, results.json and report.html.
///
/// With `resume` finished stages are kept and the one under way continues from its checkpoint, bit
/// for bit.
/// Throws UsageError when the folder holds another run and `resume` is not given, or a run with
/// another config and it is; EnvironmentError when another process works in the folder; Interrupted
/// when stopped on request.
void run_experiment(const ExperimentConfig& config, const std::filesystem::path& folder,
                    bool resume, Progress& progress);

/// The part of it that makes one model: data, the density ratio its objective needs, training.
/// Leaves models/, config.toml, split.json and stats.jsonl. `config.objectives` must name one
/// objective.
///
/// Several processes train it together, each on its share of every batch. The first one writes in
/// `folder`; each of the others works in a copy of it under the system's temporary folder, which is
/// gone afterwards.
void train_experiment(
    const ExperimentConfig& config, const std::filesystem::path& folder, bool resume,
    Progress& progress,
    std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>());

}  // namespace equipoise::pipeline
