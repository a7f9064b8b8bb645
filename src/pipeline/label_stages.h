// What is learnt of wrong labels before objectives that correct them are trained.
#pragma once

#include <nlohmann/json.hpp>

#include "diffusion/label_weights.h"
#include "objectives/objective.h"
#include "pipeline/training_stages.h"

namespace equipoise::pipeline {

/// Finds the transition matrix and trains the classifier of noisy images, as far as `need` asks, on
/// the labels that training is shown; writes models/transition.csv and
/// models/label_posterior.safetensors.
/// Returns the "label_model" object of results.json. Throws Interrupted when stopped on request;
/// UsageError when the matrix is none or cannot be undone.
nlohmann::json train_label_model(const TrainingContext& context, objectives::LabelNeed need);

/// The same, trained before; empty for LabelNeed::kNone.
diffusion::LabelModel load_label_model(const TrainingContext& context, objectives::LabelNeed need);

}  // namespace equipoise::pipeline
