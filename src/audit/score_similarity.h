// How alike a model's answers are: across prompts at one noise level, and across noise levels under
// one prompt.
//
//   C_ij(t) = mean over images of cos(eps(x_t, c_i), eps(x_t, c_j))
//
// At little noise every prompt names the same visible noise and C is near 1 whatever the prompts
// mean; differences to the neutral prompt show what is left: cos(eps_i - eps_0, eps_j - eps_0).
#pragma once

#include <vector>

#include <torch/types.h>

#include "audit/audit_number.h"
#include "audit/prompt_probe.h"

namespace equipoise::audit {

/// Cosines of some vectors with each other, image by image.
struct Similarity {
  at::Tensor cosines;  ///< [N,R,R] float64

  at::Tensor mean() const { return cosines.mean(0); }
  /// Mean of entry (i, j) with a bootstrap interval over images.
  metrics::Interval entry(int64_t i, int64_t j, const ProbeOptions& options) const;
};

struct ScoreSimilarity {
  std::vector<int64_t> steps;
  std::vector<Similarity> across_prompts;      ///< one a step; rows as `prompts`
  std::vector<Similarity> across_differences;  ///< one a step; prompts less the neutral one
  std::vector<Similarity> across_steps;        ///< one a prompt; one noise draw an image
};

/// One draw of noise an image, the same at all steps and for all prompts. `prediction` matters:
/// unlike decompositions, cosines differ between noise and velocity. Where a difference is zero its
/// cosines are 0.
/// Random: as noisy_images, draw 0. Cost: a denoiser call of P + 1 images an image and step.
ScoreSimilarity compare_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                               const std::vector<Prompt>& prompts, const Prompt& neutral,
                               const ProbeOptions& options,
                               Prediction prediction = Prediction::kNoise);

/// Forward passes an image that this takes.
int64_t similarity_passes(size_t num_prompts, const ProbeOptions& options);

/// Entries above the diagonal of all tables.
std::vector<AuditNumber> similarity_numbers(const ScoreSimilarity& similarity,
                                            const std::vector<Prompt>& prompts,
                                            const Prompt& neutral, const ProbeOptions& options);

}  // namespace equipoise::audit
