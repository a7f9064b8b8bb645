// How well a model's own answers under class prompts tell real images of known groups apart.
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "audit/audit_number.h"
#include "audit/prompt_probe.h"
#include "metrics/shares.h"

namespace equipoise::audit {

/// Images whose largest weight lies between `low` and `high`.
struct CalibrationBin {
  double low = 0;
  double high = 0;
  int64_t count = 0;
  double mean_weight = 0;
  metrics::Interval accuracy = {};  ///< Wilson; of empty bins undefined
};

struct PromptClassification {
  metrics::ConfusionMatrix confusion;
  /// Accuracy; accuracy of every group; how well the score of a group, less the mean of all, ranks
  /// its images before the others (AUROC; of two groups once); largest less smallest accuracy;
  /// calibration error.
  std::vector<AuditNumber> numbers;
  std::vector<CalibrationBin> calibration;  ///< ten; empty when the scores are no probabilities
};

/// What is to be judged.
struct ClassifiedImages {
  std::string method;  ///< "score decomposition"
  std::string recipe;
  at::Tensor scores;                     ///< [N,K], largest wins
  bool are_probabilities = false;        ///< rows sum to 1
  at::Tensor labels;                     ///< [N] int64, 0 … K-1
  std::vector<std::string> group_names;  ///< [K]
};

/// The accuracy gap's interval is a centred bootstrap within groups; the calibration error
/// sum_b n_b / N |accuracy_b - mean weight_b| has one over images.
/// Throws: UsageError on shapes, labels without a group, and groups without images.
PromptClassification judge_classification(const ClassifiedImages& images,
                                          const ProbeOptions& options);

nlohmann::ordered_json to_json(const PromptClassification& result);

}  // namespace equipoise::audit
