// What a conditional model is asked in an audit: a prompt for each value of an attribute, a neutral
// one, and further words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "audit/prompt_probe.h"
#include "diffusion/precondition.h"
#include "pipeline/audit_model.h"
#include "pipeline/words.h"

namespace equipoise::pipeline {

/// The prompts of one audit.
struct Prompts {
  std::vector<audit::Prompt> classes;  ///< one a value of the attribute
  audit::Prompt neutral;
  std::vector<audit::Prompt> others;  ///< further words of the model
};

/// Prompts for `values` of the attribute as the job names them, or else found by their names: words
/// of a model that is told of them (`words`), or its classes, whose neutral prompt is none.
/// Throws: UsageError for unknown names, values without a prompt, and prompts that the model cannot
/// tell apart.
Prompts make_prompts(const AuditJob& job, const diffusion::ModelConfig& model,
                     const std::optional<ModelWords>& words,
                     const std::vector<std::string>& values);

}  // namespace equipoise::pipeline
