// The classifiers of clean images that a run measures with, and what they say of samples that were
// asked to be of a class.
#pragma once

#include <string>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "audit/group_audit.h"
#include "pipeline/training_stages.h"

namespace equipoise::pipeline {

/// Trains the group classifier on images that no generator sees, with their true labels; writes
/// models/classifier.safetensors. Returns the "classifier" object of results.json with its
/// confusion matrix on the test images. Throws Interrupted when stopped on request.
nlohmann::json train_classifier(const TrainingContext& context);

/// Samples of a conditional model.
struct ConditionedSamples {
  at::Tensor images;   ///< uint8 [N,C,H,W], or float32 [N,D]
  at::Tensor classes;  ///< [N] int64, what was asked for
};

/// Trains the same kind of classifier on samples alone, each taken for what it was asked to be;
/// writes models/cas_<method>.safetensors. Its accuracy on real test images is the classification
/// accuracy score (CAS). Returns the "cas" object of a method's results, as train_classifier.
/// Source: Ravuri and Vinyals 2019 (arXiv:1905.10887).
nlohmann::json train_on_samples(const TrainingContext& context, const std::string& method,
                                const ConditionedSamples& samples);

/// The "conditional" object of a method's results (audit/condition_audit.h). `reference` is of the
/// evaluation images at data.target_indices.
nlohmann::json measure_conditions(const TrainingContext& context, const ConditionedSamples& samples,
                                  const audit::AuditReference& reference);

/// The "by_word" object of a method's results (audit/word_shares.h); the samples' classes are
/// numbers of words.
nlohmann::json measure_words(const TrainingContext& context, const ConditionedSamples& samples,
                             const audit::AuditReference& reference);

}  // namespace equipoise::pipeline
