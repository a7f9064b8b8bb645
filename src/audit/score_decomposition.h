// Classifying an image by a generative model's own score: which mixture of class prompts explains
// what the model says under a neutral prompt?
//
//   p(x|c_0) = sum_k pi_k p(x|c_k)    gives    s(x|c_0) = sum_k p(c_k|x) s(x|c_k)    exactly, so
//   a = argmin |sum_k a_k s(x|c_k) - s(x|c_0)|,  a >= 0, sum a = 1,    is the posterior of the class.
//
// Since sum a = 1 the weights are the same for predictions of noise, velocity, clean image or
// score. They are unique when the class predictions are affinely independent.
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include "audit/prompt_probe.h"

namespace equipoise::audit {

enum class DecompositionRule {
  kSimplex,   ///< as above
  kCosine,    ///< scores cos(s_0, s_k): no weights, largest wins
  kPca,       ///< the simplex problem on two principal directions of the normalised predictions,
              ///< which are no longer a mixture: for comparison
  kDistance,  ///< scores -|s_0 - s_k|_p
};

/// "simplex", "cosine", "pca", "distance"; anything else is a UsageError naming them.
DecompositionRule parse_decomposition_rule(const std::string& name);
std::string to_string(DecompositionRule rule);

struct DecompositionOptions : ProbeOptions {
  DecompositionRule rule = DecompositionRule::kSimplex;
  double power = 2;  ///< p of kDistance
  Prediction prediction = Prediction::kNoise;
};

/// Weights (or scores) of some items.
struct Decomposed {
  at::Tensor weights;    ///< [B,K] float64
  at::Tensor residuals;  ///< [B] |sum_k a_k s_k - s_0| / |s_0|; of simplex and pca, else undefined
};
/// Shapes: classes [B,K,d], neutral [B,d], float64.
Decomposed decompose(const at::Tensor& classes, const at::Tensor& neutral, DecompositionRule rule,
                     double power = 2);

struct ScoreDecomposition {
  std::vector<int64_t> steps;
  at::Tensor weights;    ///< [S,N,K], mean over draws
  at::Tensor residuals;  ///< [S,N], mean over draws; undefined for rules without weights

  /// Mean over steps [N,K].
  at::Tensor mean_weights() const { return weights.mean(0); }
};

/// Decomposes `neutral` into `classes` on images [N,…] in [-1,1].
///
/// Random: noise as noisy_images. Cost: a denoiser call of K + 1 images an image, step and draw.
/// Throws: UsageError for fewer than two classes and steps out of range.
ScoreDecomposition decompose_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                    const std::vector<Prompt>& classes, const Prompt& neutral,
                                    const DecompositionOptions& options);

/// Forward passes an image that this takes.
int64_t decomposition_passes(size_t num_classes, const ProbeOptions& options);

}  // namespace equipoise::audit
