#include "objectives/ratio_weight.h"

#include "core/error.h"

namespace equipoise::objectives {

diffusion::TrainingSet RatioWeight::training_set() const {
  return law == "bias" ? diffusion::TrainingSet::kBiased : diffusion::TrainingSet::kHalfAndHalf;
}

at::Tensor RatioWeight::weight(const at::Tensor& log_ratio) const {
  if (law == "bias") return (alpha * log_ratio).exp();
  if (alpha_rule == "logit") return 2 * (alpha * log_ratio).sigmoid();
  return (2 * log_ratio.sigmoid()).pow(alpha);
}

at::Tensor RatioWeight::slope(const at::Tensor& log_ratio) const {
  if (law == "bias") return at::full_like(log_ratio, alpha);
  if (alpha_rule == "logit") return alpha * (-alpha * log_ratio).sigmoid();
  return alpha * (-log_ratio).sigmoid();
}

void check_ratio_given(const RatioWeight& rule, const diffusion::DensityRatio* ratio,
                       const std::string& objective) {
  if (ratio != nullptr || rule.alpha == 0) return;
  throw UsageError({.where = "objective " + objective,
                    .what = "no density ratio to weigh images by",
                    .got = "none",
                    .expected = "a trained discriminator",
                    .hint = "train one first, or set alpha = 0 for plain DSM"});
}

}  // namespace equipoise::objectives
