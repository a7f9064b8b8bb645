// Gaussian mixtures, for which everything a diffusion model estimates is known in closed form:
// density, score, posterior mean, density ratio. Tests, the toy preset and the samplers'
// conformance suite measure against them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/random.h"
#include "diffusion/denoiser.h"
#include "diffusion/density_ratio.h"

namespace equipoise::diffusion {

/// p(x) = sum_k weight_k N(x; mean_k, std_k^2 I), and its noised versions: std_k^2 grows by
/// sigma^2.
///
/// Shapes: x [B,…] with D numbers an item; sigma [B] >= 0. Results have x's type; all are
/// differentiable in x.
class GaussianMixture : public Denoiser {
 public:
  struct Component {
    double weight = 1;
    std::vector<double> mean;
    double std = 1;
  };

  /// Throws UsageError unless the weights are positive and sum to 1 and the means have one length.
  explicit GaussianMixture(const std::vector<Component>& components);

  int64_t dimension() const { return means_.size(1); }
  /// log p^sigma(x) [B].
  at::Tensor log_density(const at::Tensor& x, const at::Tensor& sigma) const;
  /// grad log p^sigma(x), the shape of x; defined at sigma = 0 too.
  at::Tensor score(const at::Tensor& x, const at::Tensor& sigma) const;
  /// Probability of each component given x [B,K].
  at::Tensor responsibilities(const at::Tensor& x, const at::Tensor& sigma) const;
  /// E[clean | x], the shape of x.
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const Conditions& conditions = {}) const override;
  /// Draws [B,D] float32, row i from stream (seed, purpose, numbers[i]) alone. numbers: int64, CPU.
  at::Tensor sample(uint64_t seed, const at::Tensor& numbers,
                    Purpose purpose = Purpose::kToyData) const;

 private:
  /// What each component says of each item.
  struct PerComponent {
    at::Tensor difference;  ///< mean_k - x [B,K,D]
    at::Tensor variance;    ///< std_k^2 + sigma^2 [B,K]
    at::Tensor log_joint;   ///< log weight_k + log N_k(x) [B,K]
  };
  PerComponent evaluate(const at::Tensor& x, const at::Tensor& sigma) const;

  at::Tensor log_weights_;  // [K] float64
  at::Tensor means_;        // [K,D] float64
  at::Tensor variances_;    // [K] float64
};

/// A single component, N(mean, std^2 I).
GaussianMixture isotropic_gaussian(std::vector<double> mean, double std = 1);

/// log numerator^sigma(x) - log denominator^sigma(x), exact at every sigma; computed in float64,
/// returned in x's type.
class MixtureRatio : public DensityRatio {
 public:
  MixtureRatio(std::shared_ptr<const GaussianMixture> numerator,
               std::shared_ptr<const GaussianMixture> denominator);
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels = {}) const override;

 private:
  std::shared_ptr<const GaussianMixture> numerator_;
  std::shared_ptr<const GaussianMixture> denominator_;
};

/// A biased law and the unbiased one it was made from.
struct LawPair {
  std::shared_ptr<const GaussianMixture> biased;
  std::shared_ptr<const GaussianMixture> unbiased;
};

/// The two-mode toy: N((-2,-2), I) and N((2,2), I), mixed 0.8 / 0.2 (biased) and 0.5 / 0.5
/// (unbiased).
///
/// With v = 1 + sigma^2 and L = 4 (x1 + x2) / v the ratio is (0.5 + 0.5 e^L) / (0.8 + 0.2 e^L),
/// within [0.625, 2.5].
/// Source: Kim et al. 2024 (arXiv:2403.01189), the figure of the two-dimensional example.
LawPair two_mode_laws();

}  // namespace equipoise::diffusion
