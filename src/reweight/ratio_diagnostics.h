// What a density ratio is worth, noise level by noise level, on images it was not trained on.
//
// A ratio learned from few reference images fails in one typical way: on nearly clean images it
// tells the sets apart by heart, so that hardly any biased image keeps a weight (the density
// chasm), while at higher noise it still works.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "diffusion/density_ratio.h"

namespace equipoise::reweight {

/// One bin of predicted probabilities.
struct CalibrationBin {
  double predicted = 0;  ///< mean d in the bin
  double observed = 0;   ///< share of reference images in it, both sets counted as equally large
  int64_t count = 0;     ///< images
};

/// Counts of the weight w = 2 d over [0, 2].
struct WeightHistogram {
  std::vector<double> edges;  ///< one more than counts
  std::vector<int64_t> counts_biased;
  std::vector<int64_t> counts_reference;
};

/// Measurements at one noise level, with w = 2 d(x, sigma), the estimate of p_data / p_obs.
struct RatioLevel {
  double sigma = 0;
  double bce = 0;        ///< nats, half from each set; ln 2 = knows nothing
  double bce_error = 0;  ///< its standard error
  double accuracy = 0;   ///< half from each set
  double log_ratio_biased = 0, log_ratio_reference = 0;  ///< means of l(x, sigma) over each set
  /// (mean w)^2 / mean w^2 over the biased images: the share of them that effectively counts.
  double ess_fraction = 0;
  double faint_fraction = 0;     ///< share of biased images with w < 0.01
  double mean_weight = 0;        ///< over half of each set; 1 when the ratio is right
  double mean_weight_error = 0;  ///< its standard error
  WeightHistogram weight_histogram;
  std::vector<double> weight_quantiles;  ///< of the biased images, at kQuantiles
  std::vector<CalibrationBin> calibration;
  double calibration_gap = 0;  ///< mean |predicted - observed| beyond two standard errors
};

inline constexpr double kQuantiles[] = {0.05, 0.25, 0.5, 0.75, 0.95};

/// A ratio's examination.
struct RatioReport {
  std::string name;
  std::string kind;        ///< "time_dependent" or "time_independent"
  double heldout_bce = 0;  ///< mean over the levels
  std::vector<RatioLevel> levels;
  /// Plain sentences about what is wrong; empty when nothing is.
  std::vector<std::string> findings;

  nlohmann::ordered_json to_json() const;
};

/// How to examine.
struct DiagnosticOptions {
  std::string name = "ratio";
  bool time_dependent = true;  ///< false: one level, clean images
  int64_t num_levels = 12;     ///< spaced evenly in log sigma
  double sigma_min = 0.002;
  double sigma_max = 80;
  uint64_t seed = 0;
  /// [N, classes] and [M, classes] one-hot: classes of the images, for a ratio that is told of them.
  at::Tensor biased_labels = {}, reference_labels = {};
};

/// Measures `ratio` on held-out images of both sets.
///
/// Shapes: biased [N,…], reference [M,…] float32 in [-1, 1], on the ratio's device.
/// Random: noise from streams kEvaluation (biased images first), the same at every level so that
/// levels compare.
/// Throws: UsageError when a set is empty; NumericError when the ratio is not finite.
/// Cost: (N + M) num_levels ratio evaluations.
RatioReport diagnose_ratio(const diffusion::DensityRatio& ratio, const at::Tensor& biased,
                           const at::Tensor& reference, const DiagnosticOptions& options);

/// The plain sentences for levels already measured, from the lowest noise level to the highest.
std::vector<std::string> ratio_findings(const std::vector<RatioLevel>& levels);

}  // namespace equipoise::reweight
