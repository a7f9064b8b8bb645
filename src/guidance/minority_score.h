// How untypical an image is of what a model learned: how badly the model restores it from noise.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/fields.h"
#include "core/progress.h"
#include "diffusion/denoiser.h"

namespace equipoise::guidance {

/// How scores are taken. Defaults: the published noise level (step 60 of 100 of the linear schedule).
struct MinorityScoreConfig {
  double sigma = 6.37;
  int64_t draws = 5;
  bool clip = true;

  void fields(FieldVisitor& f) {
    f("sigma", sigma, "", "noise level images are restored from", {1e-3, 1e4});
    f("draws", draws, "count", "noise draws averaged for each image", {1, 10000});
    f("clip", clip, "", "keep restored images within [-1, 1]");
  }
};

/// Distance [B] of clean images to restored ones, both [B,…] float32.
struct RestorationDistance {
  std::string name;  ///< for the record: "squared error", "LPIPS vgg"
  std::function<at::Tensor(const at::Tensor& clean, const at::Tensor& restored)> measure;
};
/// |a - b|^2, summed over pixels.
RestorationDistance squared_error();

/// l(x_0) = E_n d(x_0, D(x_0 + sigma n; sigma)), the minority score [N] float64.
///
/// With the squared error and no clipping, l = sigma^2 E|eps - n|^2 with eps the model's noise
/// estimate. Scores belong to a model, a noise level and a distance: never compare them across.
/// Source: Um, Lee and Ye 2024 (arXiv:2301.12334), Eq. 6.
/// Shapes: images [N,C,H,W] uint8 (read as x / 127.5 - 1) or float32.
/// Random: draw k of image i from stream (seed, kEvaluation, i, k) alone; the result does not depend
/// on num_workers.
/// Throws: NumericError when a score is not finite. Stops early when progress.stop_requested(), leaving zeros for the rest.
at::Tensor minority_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                           const RestorationDistance& distance, const MinorityScoreConfig& config,
                           uint64_t seed, int64_t num_workers, Progress& progress);

/// Scores cut into bins of equal size.
struct MinorityBins {
  at::Tensor labels;               ///< [N] int64, 0 = most typical … num_bins - 1 = rarest
  std::vector<double> thresholds;  ///< [num_bins]: quantile (j + 1) / num_bins of the scores
  std::vector<int64_t> sizes;      ///< images in each bin
};

/// y = number of thresholds but the last that lie below the score; the largest score is always in
/// the last bin. Quantiles are linearly interpolated. Equal scores fall into one bin, so look at
/// `sizes`.
/// Throws: UsageError unless 2 <= num_bins <= N.
MinorityBins minority_bins(const at::Tensor& scores, int64_t num_bins);

}  // namespace equipoise::guidance
