#include "guidance/discriminator.h"

#include <limits>
#include <utility>

#include "core/error.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/model_file.h"
#include "diffusion/per_item.h"
#include "diffusion/vp_time.h"
#include "guidance/input_gradient.h"

namespace equipoise::guidance {
namespace {

constexpr const char* kWhere = "guidance discriminator";
constexpr double kBoostChurn = 4;
constexpr int64_t kBoostEvery = 5, kDoubleEvery = 2;

}  // namespace

DiscriminatorGuidance::DiscriminatorGuidance(const DiscriminatorOptions& options,
                                             const TermContext& context)
    : options_(options), schedule_(options, kWhere) {
  const std::filesystem::path file = network_file(options.model, context, "discriminator");
  const diffusion::LoadedRatio loaded = diffusion::load_noisy_ratio(file, context.device);
  ratio_ = loaded.ratio;
  shape_ = loaded.shape;
  file_ = file.string();
}

DiscriminatorGuidance::DiscriminatorGuidance(const DiscriminatorOptions& options,
                                             std::shared_ptr<const diffusion::DensityRatio> ratio)
    : options_(options), schedule_(options, kWhere), ratio_(std::move(ratio)) {}

void DiscriminatorGuidance::check_fits(const nets::DataShape& model) const {
  if (!file_.empty()) diffusion::check_fits(shape_, model, file_);
}

at::Tensor DiscriminatorGuidance::strength(const diffusion::Visit& visit) const {
  const double weight = visit.is_correction ? options_.second : options_.weight;
  const at::Tensor time = diffusion::vp_time(visit.sigma);
  return weight * schedule_.factor(visit.sigma) *
         (time >= options_.time_min).logical_and(time <= options_.time_max);
}

at::Tensor DiscriminatorGuidance::direction(const diffusion::Visit& visit,
                                            const at::Tensor& /*denoised*/,
                                            const diffusion::Denoiser& /*denoiser*/) const {
  const InputGradient log_odds = input_gradient(visit.x, [&](const at::Tensor& x) {
    const at::Tensor values = ratio_->log_ratio(x, visit.sigma, visit.conditions.class_labels);
    if (options_.clip == 0) return values;
    return values.sigmoid().clamp(options_.clip, 1 - options_.clip).logit();
  });
  at::Tensor factor = visit.sigma.square();
  if (options_.boost && !visit.is_correction) {
    const at::Tensor is_doubled =
        (visit.level.remainder(kDoubleEvery) == 0).logical_and(log_odds.values < 0);
    factor = factor * (1 + is_doubled.to(at::kDouble));
  }
  const at::Tensor gradient = log_odds.gradient.to(at::kDouble);
  return diffusion::per_item(factor, gradient) * gradient;
}

at::Tensor DiscriminatorGuidance::wanted_churn(const diffusion::Visit& visit) const {
  if (!options_.boost) return {};
  // At the very start nothing has been learnt of the image yet.
  const at::Tensor is_asked = (strength(visit) != 0)
                                  .logical_and(visit.level.remainder(kBoostEvery) == 0)
                                  .logical_and(visit.level > 0);
  if (!is_asked.any().item<bool>()) return {};
  const at::Tensor log_odds =
      ratio_->log_ratio(visit.x, visit.sigma, visit.conditions.class_labels);
  const at::Tensor none =
      at::full_like(visit.sigma, std::numeric_limits<double>::quiet_NaN(), at::kDouble);
  return at::where(is_asked.logical_and(log_odds < 0), at::full_like(none, kBoostChurn), none);
}

namespace {

const bool kRegistered = register_term<DiscriminatorGuidance, DiscriminatorOptions>(
    {.name = "discriminator",
     .summary = "The gradient of a discriminator's log-odds, added to the score.",
     .source = "Kim et al. 2023 (arXiv:2211.17091)",
     .use_when = "to correct a trained model with real images (or a reference set) without "
                 "training it again"});

}  // namespace
}  // namespace equipoise::guidance
