// Posteriors known in closed form, for tests of what asks for one.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "diffusion/label_posterior.h"
#include "diffusion/mixture_law.h"

namespace equipoise::diffusion {

/// Which component of a mixture an image came from, exactly.
class MixturePosterior : public LabelPosterior {
 public:
  MixturePosterior(std::shared_ptr<const GaussianMixture> law, int64_t num_labels)
      : law_(std::move(law)), num_labels_(num_labels) {}
  int64_t num_labels() const override { return num_labels_; }
  at::Tensor log_posterior(const at::Tensor& x, const at::Tensor& sigma) const override {
    return law_->responsibilities(x, sigma).log();
  }

 private:
  std::shared_ptr<const GaussianMixture> law_;
  int64_t num_labels_;
};

/// The same probabilities whatever the image.
class FixedPosterior : public LabelPosterior {
 public:
  explicit FixedPosterior(const std::vector<double>& probabilities)
      : probabilities_(at::tensor(probabilities, at::kDouble)) {}
  int64_t num_labels() const override { return probabilities_.numel(); }
  at::Tensor log_posterior(const at::Tensor& x, const at::Tensor&) const override {
    return probabilities_.log().to(x.options()).unsqueeze(0).repeat({x.size(0), 1});
  }

 private:
  at::Tensor probabilities_;
};

/// Rows of numbers as a matrix, float64.
inline at::Tensor matrix_of(const std::vector<std::vector<double>>& rows) {
  std::vector<at::Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(at::tensor(row, at::kDouble));
  return at::stack(tensors);
}

/// A transition matrix of three classes that no transposition leaves as it is.
inline at::Tensor three_class_transition() {
  return matrix_of({{0.7, 0.2, 0.1}, {0.1, 0.8, 0.1}, {0.15, 0.25, 0.6}});
}

}  // namespace equipoise::diffusion
