// Time-dependent importance-weighted denoising score matching, whole and with either half switched
// off.
//
//   L = E_sigma,x0,n [ lambda(sigma) w(x, sigma) |D(x; sigma) - (x0 + sigma^2 grad_x log w(x,
//   sigma))|^2 ] x = x0 + sigma n
//
// Both the weight and the target are constants to the denoiser's parameters. With the exact ratio
// the minimiser is the posterior mean of the unbiased law at every noise level; with the target
// alone as well; the weight alone cancels.
#include <utility>

#include "core/config.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/per_item.h"
#include "objectives/objective.h"
#include "objectives/ratio_weight.h"
#include "objectives/weighted_loss.h"

namespace equipoise::objectives {
namespace {

/// Which halves of the method are on.
struct Parts {
  bool use_weight = true;
  bool use_target = true;
};

/// l(x, sigma) [B] and its gradient in x, both constants to autograd.
struct RatioWithGradient {
  at::Tensor log_ratio;
  at::Tensor gradient;
};

RatioWithGradient evaluate(const diffusion::DensityRatio& ratio, const at::Tensor& noisy,
                           const at::Tensor& sigma) {
  const at::AutoGradMode enable_grad(true);
  const at::Tensor x = noisy.detach().requires_grad_(true);
  const at::Tensor log_ratio = ratio.log_ratio(x, sigma);
  EQUIPOISE_ASSERT(log_ratio.requires_grad());
  const at::Tensor gradient = torch::autograd::grad({log_ratio.sum()}, {x}).front();
  return {log_ratio.detach(), gradient};
}

class TiwDsm : public Objective {
 public:
  TiwDsm(Parts parts, RatioWeight rule, std::shared_ptr<const diffusion::DensityRatio> ratio)
      : parts_(parts), rule_(std::move(rule)), ratio_(std::move(ratio)) {}

  diffusion::TrainingSet training_set() const override { return rule_.training_set(); }
  ObjectiveNeeds needs() const override {
    return {.ratio = rule_.alpha == 0 ? RatioNeed::kNone : RatioNeed::kTimeDependent};
  }

  at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                  const diffusion::Conditions& conditions) const override {
    if (rule_.alpha == 0) return denoising_loss(denoiser, batch, conditions, batch.clean);
    const auto [log_ratio, gradient] = evaluate(*ratio_, batch.noisy, batch.sigma);
    const at::Tensor weight =
        parts_.use_weight ? rule_.weight(log_ratio) : at::ones_like(log_ratio);
    const at::Tensor target =
        parts_.use_target ? corrected_target(batch, rule_.slope(log_ratio), gradient) : batch.clean;
    return weighted_denoising_loss(denoiser, batch, conditions, target, weight);
  }

 private:
  // x0 + sigma^2 grad log w, a new tensor: batch.clean may be shared with the loader.
  static at::Tensor corrected_target(const diffusion::NoisyBatch& batch, const at::Tensor& slope,
                                     const at::Tensor& gradient) {
    return batch.clean + diffusion::per_item(batch.sigma.square() * slope, gradient) * gradient;
  }

  Parts parts_;
  RatioWeight rule_;
  std::shared_ptr<const diffusion::DensityRatio> ratio_;
};

ObjectivePlugin plugin(Parts parts, const char* name, const char* title, const char* formula) {
  return {.needs = {.ratio = RatioNeed::kTimeDependent},
          .training_set = diffusion::TrainingSet::kHalfAndHalf,
          .make =
              [parts, name](const nlohmann::json& options, const ObjectiveInputs& inputs) {
                RatioWeight rule;
                from_json(options, rule, "objective.options");
                check_ratio_given(rule, inputs.ratio.get(), name);
                return std::make_unique<TiwDsm>(parts, std::move(rule), inputs.ratio);
              },
          .options_help = [] { return help_text(RatioWeight{}); },
          .title = title,
          .formula = formula};
}

const bool kWholeRegistered = ObjectiveRegistry::instance().add(
    {.name = "tiw_dsm",
     .summary = "The density ratio of noised images weighs each item and corrects its target.",
     .source = "Kim et al. 2024 (arXiv:2403.01189), Eq. 36-37",
     .use_when = "to remove bias with a reference set of a few per cent; dsm_ref when the "
                 "reference is large"},
    plugin({}, "tiw_dsm", "TIW-DSM",
           "E[ w(x, σ) λ(σ) ‖D(x; σ) − (x₀ + σ² ∇ₓ log w(x, σ))‖² ],  w(x, σ) = 2 d(x, σ)"));

const bool kWeightRegistered = ObjectiveRegistry::instance().add(
    {.name = "tiw_weight_only",
     .summary = "tiw_dsm without the target's correction: its optimum is still biased.",
     .source = "Kim et al. 2024 (arXiv:2403.01189), ablation",
     .use_when = "to show what the correction does; prefer tiw_dsm"},
    plugin({.use_weight = true, .use_target = false}, "tiw_weight_only", "TIW-DSM, weight only",
           "E[ w(x, σ) λ(σ) ‖D(x; σ) − x₀‖² ]"));

const bool kTargetRegistered = ObjectiveRegistry::instance().add(
    {.name = "tiw_target_only",
     .summary = "tiw_dsm without the weight: the same optimum, another emphasis.",
     .source = "Kim et al. 2024 (arXiv:2403.01189), ablation",
     .use_when = "to show what the weight does; prefer tiw_dsm"},
    plugin({.use_weight = false, .use_target = true}, "tiw_target_only", "TIW-DSM, target only",
           "E[ λ(σ) ‖D(x; σ) − (x₀ + σ² ∇ₓ log w(x, σ))‖² ]"));

}  // namespace
}  // namespace equipoise::objectives
