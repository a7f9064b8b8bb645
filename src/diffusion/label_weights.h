// How probable each true class is for a noisy image whose shown label may be wrong.
//
//   w(x, j, c, sigma) = P(true c | shown j, x)
//                     = S[c][j] h_c / sum_k S[k][j] h_k            h: posterior of true classes
//                     = S[c][j] (S^-T g)_c / g_j                   g: posterior of shown labels
//
// S[c][j] is the probability that class c is shown label j (data/label_noise.h). The two forms
// agree when g = S^T h. Whatever the class shares, the law of a shown label is the average of the
// laws of the classes:
//
//   grad log p(x | shown j) = sum_c w_c grad log p(x | true c)
//   E[x0 | x, shown j]      = sum_c w_c E[x0 | x, true c]
//
// Source: Na et al. 2024 (ICLR, "Label-Noise Robust Diffusion Models"), whose matrix form takes all
// classes to be equally frequent; the forms above do not.
#pragma once

#include <memory>

#include <torch/types.h>

#include "diffusion/label_posterior.h"

namespace equipoise::diffusion {

/// Whose probability a posterior gives: the class that is true, or the label that is shown.
enum class PosteriorOf { kTrueClass, kShownLabel };

/// What is known of wrong labels.
struct LabelModel {
  at::Tensor transition = {};                                 ///< S [K,K] float64 on the CPU
  std::shared_ptr<const LabelPosterior> posterior = nullptr;  ///< null where S alone is known
  PosteriorOf posterior_of = PosteriorOf::kTrueClass;
  double temperature = 1;  ///< log-posteriors are divided by it, and made to sum to 1 again
  at::Tensor prior = {};   ///< [K] shares of the true classes; undefined = all alike
};

/// w by the first form. log_posterior [B,K]; shown [B] int64; returns [B,K] in the type of
/// log_posterior, rows >= 0 that sum to 1. A label that no probable class is ever shown leaves no
/// evidence (0/0): it is believed, w = one-hot.
/// Throws: NumericError when the posterior is not finite.
at::Tensor bayes_weights(const at::Tensor& log_posterior, const at::Tensor& transition,
                         const at::Tensor& shown);
/// w by the second form, as it comes: negative or above 1 when g is not S^T h for any h. float64.
/// inverse_transpose = S^-T.
at::Tensor matrix_weights(const at::Tensor& log_posterior, const at::Tensor& transition,
                          const at::Tensor& inverse_transpose, const at::Tensor& shown);
/// Weights clamped to [0, 1] and divided by their sum; one-hot of the shown label where nothing is
/// left of them.
at::Tensor clamped_weights(const at::Tensor& weights, const at::Tensor& shown);

/// R[j][c] = P(true c | shown j) = S[c][j] pi_c / sum_k S[k][j] pi_k, [K,K] float64: w where the
/// image says nothing. The row of a label that is never shown is one-hot. Prior undefined = all
/// classes alike.
at::Tensor reversed_transition(const at::Tensor& transition, const at::Tensor& prior = {});
/// Shares of the true classes behind shares of shown labels [K]: S^-T shown, negative ones set to 0.
at::Tensor class_shares(const at::Tensor& shown_shares, const at::Tensor& transition);

/// w for any batch of noisy images, without autograd.
class LabelWeights {
 public:
  virtual ~LabelWeights() = default;
  virtual int64_t num_classes() const = 0;
  /// Shapes: x [B,…], sigma [B] as Denoiser; shown [B] int64 on x's device. Returns [B,K] >= 0,
  /// each row summing to 1.
  virtual at::Tensor weights(const at::Tensor& x, const at::Tensor& sigma,
                             const at::Tensor& shown) const = 0;
};

/// The weights of a posterior of either kind.
class PosteriorLabelWeights : public LabelWeights {
 public:
  /// Throws UsageError unless model.posterior is given and of as many labels as S, and S is a
  /// transition matrix that can be undone.
  explicit PosteriorLabelWeights(LabelModel model);
  int64_t num_classes() const override { return model_.transition.size(0); }
  at::Tensor weights(const at::Tensor& x, const at::Tensor& sigma,
                     const at::Tensor& shown) const override;
  /// The same before clamping: outside [0, 1] where posterior and matrix contradict each other.
  at::Tensor unclamped(const at::Tensor& x, const at::Tensor& sigma, const at::Tensor& shown) const;

 private:
  LabelModel model_;
  at::Tensor inverse_transpose_;
};

/// R's rows, whatever the image and its noise: the ablation that does not recover the classes' laws.
class StaticLabelWeights : public LabelWeights {
 public:
  explicit StaticLabelWeights(const LabelModel& model);
  int64_t num_classes() const override { return reversed_.size(0); }
  at::Tensor weights(const at::Tensor& x, const at::Tensor& sigma,
                     const at::Tensor& shown) const override;

 private:
  at::Tensor reversed_;
};

}  // namespace equipoise::diffusion
