// The diffusion classifier: the prompt under which a model denoises an image best.
//
//   loss_k = mean over draws of (t, eps) of l(eps, eps_theta(x_t, t, c_k)),    class = argmin_k
//
// Every prompt sees the same noisy images, so that what they have in common cancels in differences.
// Source: Li et al. 2023 (arXiv:2303.16203), as the baseline of "Bias Begets Bias".
#pragma once

#include <vector>

#include <torch/types.h>

#include "audit/prompt_probe.h"

namespace equipoise::audit {

enum class ElementLoss { kSquare, kAbsolute, kHuber };  ///< Huber of width 1

struct ElboOptions : ProbeOptions {
  /// Draws of (t, eps) an image; t uniform on 1 … 999, `steps` is not used.
  int64_t num_times = 100;
  ElementLoss loss = ElementLoss::kSquare;
  /// Sum over elements, which is the scale of a log-likelihood; else their mean, whose softmax is
  /// nearly flat.
  bool sum_elements = true;
};

struct ElboClassification {
  at::Tensor losses;  ///< [N,K], mean over draws
  /// [N] standard error of the difference between the best prompt and the second, over draws.
  at::Tensor margin_errors;
  at::Tensor predicted;  ///< [N] int64

  /// softmax(-loss) [N,K], for display: no posterior, but where the bound is tight.
  at::Tensor probabilities() const { return (-losses).softmax(1); }
  /// [N] second best loss less the best.
  at::Tensor margins() const;
};

/// Random: as noisy_images with draws 0 … num_times - 1; t of image i and draw j from stream (seed,
/// kSigma, i, j). Cost: num_times denoiser calls of K images an image.
ElboClassification classify_by_elbo(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                    const std::vector<Prompt>& classes, const ElboOptions& options);

/// Forward passes an image that this takes.
int64_t elbo_passes(size_t num_classes, const ElboOptions& options);
/// The least num_times that takes no fewer forward passes than another method's, for comparisons.
int64_t elbo_draws_for(int64_t forward_passes, size_t num_classes);

}  // namespace equipoise::audit
