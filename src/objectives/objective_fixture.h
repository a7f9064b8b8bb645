// Small denoisers, ratios and batches whose every number is known, for the tests of objectives.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/libtorch.h"
#include "diffusion/label_fixture.h"
#include "diffusion/mixture_law.h"
#include "diffusion/noise_law.h"
#include "objectives/objective.h"

namespace equipoise::objectives {

/// Always predicts the same image value.
class ConstantDenoiser : public diffusion::Denoiser {
 public:
  explicit ConstantDenoiser(double value) : value_(value) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor&,
                     const diffusion::Conditions&) const override {
    return at::full_like(x, value_);
  }

 private:
  double value_;
};

/// l(x, sigma) = constant, differentiable in x as every ratio is.
class ConstantRatio : public diffusion::DensityRatio {
 public:
  explicit ConstantRatio(double value) : value_(value) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return 0 * x.flatten(1).sum(1) + value_;
  }

 private:
  double value_;
};

/// The exact log-odds of the toy: unbiased against biased law.
inline std::shared_ptr<const diffusion::DensityRatio> toy_ratio() {
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  return std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased);
}

/// Three classes whose labels are wrong, and a classifier that knows which is likely.
inline diffusion::LabelModel toy_labels() {
  return {
      .transition = diffusion::three_class_transition(),
      .posterior = std::make_shared<diffusion::FixedPosterior>(std::vector<double>{0.5, 0.3, 0.2})};
}

/// The same three classes, their labels always right.
inline diffusion::LabelModel right_labels() {
  diffusion::LabelModel labels = toy_labels();
  labels.transition = at::eye(3, at::kDouble);
  return labels;
}

/// Labels 0, 1, 2, 0, … of three classes, as networks see them.
inline diffusion::Conditions toy_conditions(int64_t batch_size = 6) {
  return {.class_labels =
              at::one_hot(at::arange(batch_size, at::kLong).remainder(3), 3).to(at::kFloat)};
}

inline std::unique_ptr<Objective> make_objective(
    const std::string& name, const ObjectiveInputs& inputs,
    const nlohmann::json& options = nlohmann::json::object()) {
  return ObjectiveRegistry::instance().find(name).make.make(options, inputs);
}
inline std::unique_ptr<Objective> make_objective(
    const std::string& name, std::shared_ptr<const diffusion::DensityRatio> ratio,
    const nlohmann::json& options = nlohmann::json::object()) {
  return make_objective(name, ObjectiveInputs{.ratio = std::move(ratio)}, options);
}

/// Six noised points of the biased toy law, in the given type.
inline diffusion::NoisyBatch toy_batch(at::ScalarType type = at::kFloat) {
  const at::Tensor clean = diffusion::two_mode_laws().biased->sample(1, at::arange(6));
  diffusion::NoisyBatch batch = diffusion::make_noisy(clean, at::arange(6), 2, {}, 0.5);
  for (at::Tensor* tensor : {&batch.clean, &batch.sigma, &batch.noisy, &batch.loss_weight})
    *tensor = tensor->to(type);
  return batch;
}

/// Items at one noisy point and one noise level, each with its own clean image; lambda = 1.
inline diffusion::NoisyBatch batch_at(const at::Tensor& clean, const at::Tensor& noisy,
                                      double sigma) {
  const at::Tensor sigmas = at::full({clean.size(0)}, sigma, clean.options());
  return {.clean = clean, .sigma = sigmas, .noisy = noisy, .loss_weight = at::ones_like(sigmas)};
}

}  // namespace equipoise::objectives
