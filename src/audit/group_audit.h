// One method's samples measured against the reference of its run: the measured part of its entry in
// results.json.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "metrics/neighbours.h"
#include "metrics/shares.h"
#include "nets/classifier.h"

namespace equipoise::audit {

/// What all methods of a run are held against. Built once by `make_reference`, so that every method
/// meets the same numbers.
struct AuditReference {
  std::shared_ptr<nets::ClassifierNetwork> classifier;
  metrics::ConfusionMatrix confusion;
  std::vector<std::string> group_names;
  std::vector<double> target;  ///< stated share per group; empty when none is stated
  at::Tensor features;         ///< [M,F] of the evaluation images
  /// of these features, for all sample sets that are measured against them
  std::shared_ptr<const metrics::OwnNeighbours> neighbours;
  at::Tensor training_points;    ///< [T,C*H*W] uint8, what a generator could have copied
  at::Tensor heldout_distances;  ///< [H] of evaluation images to their nearest training image
  std::string feature_recipe;
};

/// The images and laws a reference is made of.
struct ReferenceSets {
  /// [M,C,H,W] uint8 real images that follow the target, seen by no training
  at::Tensor evaluation_images;
  /// [T,C,H,W] uint8 all images a generator was shown; undefined = no copy check
  at::Tensor training_images;
  metrics::ConfusionMatrix confusion;  ///< of the classifier, on images it was not trained on
  std::vector<std::string> group_names;
  std::vector<double> target;
  std::string feature_recipe;  ///< "CNN classifier, penultimate layer, sha256 …"
};

struct AuditOptions {
  uint64_t seed = 0;
  double level = 0.95;
  int64_t num_workers = 1;
  int64_t max_heldout = 1000;  ///< evaluation images used for the copy check
  /// Options by metric name, for example {"coverage": {"k": 3}}. Unknown metrics and options are
  /// refused.
  nlohmann::json metric_options = nlohmann::json::object();
  Progress* progress = nullptr;
};

/// Extracts the evaluation images' features and the held-out images' distances.
/// Throws: UsageError when group counts disagree; what feature extraction throws.
AuditReference make_reference(std::shared_ptr<nets::ClassifierNetwork> classifier,
                              const ReferenceSets& sets, const AuditOptions& options = {});

/// The same reference for a generator that was shown other images [T,C,H,W] uint8.
AuditReference with_training_images(AuditReference reference, const at::Tensor& training_images,
                                    const at::Tensor& evaluation_images,
                                    const AuditOptions& options = {});

/// Runs every registered metric on `samples` [N,C,H,W] uint8 and returns {"counts": [...],
/// <metric>: …, "skipped": [{"metric", "missing"}]}, the keys of docs/formats/results.md.
/// Random: bootstrap streams of options.seed only; samples are compared under common random
/// numbers.
nlohmann::ordered_json audit_samples(const at::Tensor& samples, const AuditReference& reference,
                                     const AuditOptions& options = {});

}  // namespace equipoise::audit
