// The Lipschitz assumption of diffusion theory, read as individual fairness: prompts that are near
// each other must be treated alike.
//
//   |s_t(x, y) - s_t(x, y')| <= L_t |y - y'|,    s = -eps / sqrt(1 - abar_t)
//
// A model that meets it inherits the bias of the metric: when "nurse" lies nearer to "woman" than to
// "man", so do its images. Estimates are lower bounds of L_t: the largest ratio seen.
// Source: Kuchlous, Li and Wang 2024, "Bias Begets Bias"; fairness as a Lipschitz condition: Dwork et
// al. 2012.
#pragma once

#include <utility>
#include <vector>

#include <torch/types.h>

#include "audit/audit_number.h"
#include "audit/prompt_probe.h"

namespace equipoise::audit {

struct LipschitzOptions : ProbeOptions {
  int64_t power_iterations = 8;  ///< for the local values; 0 = leave them out
  double relative_step = 1e-2;   ///< of the finite difference along e, in lengths of e
};

/// At one noise level.
struct LipschitzAtStep {
  int64_t step = 0;
  /// [N,pairs] score difference over distance of the conditions, mean over draws
  at::Tensor ratios;
  at::Tensor largest_ratios;  ///< [N,pairs] the same, largest over draws
  at::Tensor gaps;            ///< [N,pairs] |eps_y - eps_y'|^2, mean over draws
  /// [N,P] largest singular value of the derivative of the score in the condition, at each prompt;
  /// undefined without iterations.
  at::Tensor local;

  double largest() const { return largest_ratios.max().item<double>(); }
};

struct LipschitzEstimate {
  std::vector<std::pair<size_t, size_t>> pairs;  ///< of prompts
  std::vector<LipschitzAtStep> steps;
};

/// All prompts need a condition, no two the same.
///
/// Local values, at the first draw: power iteration on J' J, J' u by autograd and J v by a central difference, from a
/// random v. Random: as noisy_images; v of image i from stream (seed, kNoise, i, prompt).
/// Throws: UsageError for fewer than two prompts or coinciding conditions.
LipschitzEstimate estimate_lipschitz(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                     const std::vector<Prompt>& prompts,
                                     const LipschitzOptions& options);

/// Forward passes an image that this takes; backward ones are not counted.
int64_t lipschitz_passes(size_t num_prompts, const LipschitzOptions& options);

/// w_s with KL = sum_s w_s gap_s: of the two laws of whole sampling paths, when the reverse steps
/// have variance beta_t,
///
///   KL(paths(y) || paths(y')) = sum_t beta_t / (2 alpha_t (1 - abar_t)) E |eps_y - eps_y'|^2
///
/// over the 1,000 steps of ddpm_linear_1000, the gap interpolated linearly in t between the steps
/// given (rising) and kept constant beyond them. [S] float64.
/// Throws: UsageError unless the steps rise within 0 … 999.
at::Tensor path_kl_weights(const std::vector<int64_t>& steps);

/// How far any share of outputs may move when one prompt takes the other's place: sqrt(KL / 2), at
/// most 1 (Pinsker).
double pinsker_bound(double kl);

/// Mean and largest ratio a step, local values, and for each pair the path KL with its bound.
std::vector<AuditNumber> lipschitz_numbers(const LipschitzEstimate& estimate,
                                           const std::vector<Prompt>& prompts,
                                           const LipschitzOptions& options);

}  // namespace equipoise::audit
