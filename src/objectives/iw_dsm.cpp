// Importance-weighted denoising score matching: the density ratio of clean images weighs each image
// at all noise levels.
#include <utility>

#include "core/config.h"
#include "objectives/objective.h"
#include "objectives/ratio_weight.h"
#include "objectives/weighted_loss.h"

namespace equipoise::objectives {
namespace {

class IwDsm : public Objective {
 public:
  IwDsm(RatioWeight rule, std::shared_ptr<const diffusion::DensityRatio> ratio)
      : rule_(std::move(rule)), ratio_(std::move(ratio)) {}

  diffusion::TrainingSet training_set() const override { return rule_.training_set(); }
  ObjectiveNeeds needs() const override {
    return {.ratio = rule_.alpha == 0 ? RatioNeed::kNone : RatioNeed::kTimeIndependent};
  }

  at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    if (rule_.alpha == 0) return denoising_loss(denoiser, batch, conditions, batch.clean);
    return weighted_denoising_loss(denoiser, batch, conditions, batch.clean, weight(batch));
  }

 private:
  at::Tensor weight(const diffusion::NoisyBatch& batch) const {
    const at::NoGradGuard no_grad;
    return rule_.weight(ratio_->log_ratio(batch.clean, at::zeros_like(batch.sigma)));
  }

  RatioWeight rule_;
  std::shared_ptr<const diffusion::DensityRatio> ratio_;
};

std::unique_ptr<Objective> make_iw_dsm(const nlohmann::json& options,
                                       const ObjectiveInputs& inputs) {
  RatioWeight rule;
  from_json(options, rule, "objective.options");
  check_ratio_given(rule, inputs.ratio.get(), "iw_dsm");
  return std::make_unique<IwDsm>(std::move(rule), inputs.ratio);
}

const bool kRegistered = ObjectiveRegistry::instance().add(
    {.name = "iw_dsm",
     .summary = "Each image counts by the density ratio of clean images, 2 d(x0).",
     .source = "Kim et al. 2024 (arXiv:2403.01189), the importance-weighted baseline",
     .use_when = "as a baseline; its ratio is over-confident on images, prefer tiw_dsm"},
    {.needs = {.ratio = RatioNeed::kTimeIndependent},
     .training_set = diffusion::TrainingSet::kHalfAndHalf,
     .make = make_iw_dsm,
     .options_help = [] { return help_text(RatioWeight{}); },
     .title = "IW-DSM",
     .formula = "E[ w(x₀) λ(σ) ‖D(x; σ) − x₀‖² ],  w(x₀) = 2 d(x₀)"});

}  // namespace
}  // namespace equipoise::objectives
