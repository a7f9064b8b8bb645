// Tests only: a conditional denoiser that is exact.
#pragma once

#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "audit/prompt_probe.h"
#include "core/random.h"

namespace equipoise::audit {

/// Classes N(mean_k, diag(std^2)) with priors. A condition [K] weighs the classes: one-hot is a class
/// alone; no condition, or zeros, is the mixture.
class ConditionalLaw : public diffusion::Denoiser {
 public:
  /// means [K,D], priors [K], std [D] or one for all directions.
  ConditionalLaw(const at::Tensor& means, const at::Tensor& priors, const at::Tensor& std)
      : means_(means.to(at::kDouble)),
        priors_(priors.to(at::kDouble)),
        variances_(std.to(at::kDouble).square().expand({means.size(1)})) {}

  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& conditions = {}) const override {
    const at::Tensor noise = sigma.square().unsqueeze(1), total = noise + variances_;
    const at::Tensor weights = posterior(x, sigma, conditions.class_labels);
    const at::Tensor mean = at::matmul(weights, means_);
    return (x * variances_ + mean * noise) / total;
  }
  /// p(k|x) [B,K].
  at::Tensor posterior(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& labels = {}) const {
    at::Tensor prior = priors_.expand({x.size(0), priors_.size(0)});
    if (labels.defined()) {
      const at::Tensor told = labels.to(at::kDouble);
      prior = at::where(told.sum(1, true) > 0, told, prior);
    }
    const at::Tensor total = sigma.square().reshape({-1, 1, 1}) + variances_;
    const at::Tensor distances = ((x.unsqueeze(1) - means_).square() / total).sum(2);
    return (prior.log() - distances / 2).softmax(1);
  }
  /// One prompt a class.
  std::vector<Prompt> classes() const {
    std::vector<Prompt> prompts;
    for (int64_t k = 0; k < means_.size(0); ++k)
      prompts.push_back({std::to_string(k), at::eye(means_.size(0))[k]});
    return prompts;
  }
  /// `count` draws of class k [count,D] float32.
  at::Tensor sample(int64_t k, int64_t count, uint64_t seed) const {
    const at::Tensor noise = random_normal(seed, Purpose::kToyData, at::arange(count),
                                           {means_.size(1)}, static_cast<uint32_t>(k));
    return (means_[k] + variances_.sqrt() * noise).to(at::kFloat);
  }

 private:
  at::Tensor means_, priors_, variances_;
};

/// Three classes in eight dimensions, apart by a few standard deviations.
inline ConditionalLaw three_classes(double std = 0.5) {
  return {random_normal(3, Purpose::kToyData, at::arange(3), {8}),
          at::tensor({0.5, 0.3, 0.2}, at::kDouble), at::full({1}, std)};
}

/// The same with eight more directions, in which there is no image: noise shows in them.
inline ConditionalLaw classes_on_a_plane() {
  const at::Tensor within = random_normal(3, Purpose::kToyData, at::arange(3), {8});
  return {at::cat({within, at::zeros({3, 8})}, 1), at::tensor({0.5, 0.3, 0.2}, at::kDouble),
          at::cat({at::full({8}, 0.5), at::zeros({8})})};
}

}  // namespace equipoise::audit
