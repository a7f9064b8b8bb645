// What the judgement of labels is worth, noise level by noise level, on images that no classifier
// was trained on and whose true classes are known to the examiner alone.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "diffusion/label_weights.h"

namespace equipoise::reweight {

/// Measurements at one noise level, with w the weight that the shown label's own class keeps.
struct LabelLevel {
  double sigma = 0;
  double accuracy = 0;  ///< share of images whose heaviest weight is on the true class
  /// Chance that a wrong label has a smaller w than a right one, ties half: 1/2 = knows nothing.
  /// NaN when the labels are all right, or all wrong.
  double wrong_label_auroc = 0;
  /// w in ten equal bins over [0, 1], of images whose label is right and of the others.
  std::vector<int64_t> own_weight_right, own_weight_wrong;
  double extra_calls = 0;    ///< classes besides the shown one above `skip_below`, mean an image
  double clamped_share = 0;  ///< images with a weight outside [0, 1] before clamping
};

struct LabelDiagnosticOptions {
  std::vector<double> sigmas = {0.05, 0.1, 0.2, 0.5, 1, 2, 4, 8, 16, 32};
  double skip_below = 0.01;
  uint64_t seed = 0;
};

/// Shapes: images [N,…] float32 in [-1, 1]; true_labels, shown_labels [N] int64; all on the
/// posterior's device. Random: noise from streams kEvaluation of item numbers 0 … N-1, the same at
/// every level. Cost: N evaluations of the posterior a level, twice.
std::vector<LabelLevel> diagnose_label_weights(const diffusion::PosteriorLabelWeights& weights,
                                               const at::Tensor& images,
                                               const at::Tensor& true_labels,
                                               const at::Tensor& shown_labels,
                                               const LabelDiagnosticOptions& options = {});

/// Chance that a value of `low` is below one of `high` (vectors of any length), ties half.
double probability_below(const at::Tensor& low, const at::Tensor& high);

nlohmann::ordered_json to_json(const std::vector<LabelLevel>& levels);

}  // namespace equipoise::reweight
