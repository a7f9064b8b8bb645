#include "report/method_text.h"

#include <map>

namespace equipoise::report {

MethodText method_text(const std::string& objective) {
  static const std::map<std::string, MethodText> kTexts = {
      {"dsm_ref",
       {"Denoising score matching on the small reference set alone: no bias, but few images to learn from.",
        "E[ λ(σ) ‖D(x; σ) − x₀‖² ],  x₀ ∼ reference"}},
      {"dsm_obs",
       {"Denoising score matching on batches drawn half from the biased set and half from the reference: the plain "
        "baseline, which keeps half of the bias.",
        "E[ λ(σ) ‖D(x; σ) − x₀‖² ],  x₀ ∼ ½ biased + ½ reference"}},
      {"dsm_bias",
       {"Denoising score matching on the biased set alone: what one gets without doing anything.",
        "E[ λ(σ) ‖D(x; σ) − x₀‖² ],  x₀ ∼ biased"}},
      {"iw_dsm",
       {"Each image counts by a density ratio estimated on clean images.",
        "E[ w(x₀) λ(σ) ‖D(x; σ) − x₀‖² ],  w(x₀) = 2 d(x₀)"}},
      {"tiw_dsm",
       {"The density ratio of the noised images weighs each item and also corrects its target, at every noise level.",
        "E[ w(x, σ) λ(σ) ‖D(x; σ) − (x₀ + σ² ∇ₓ log w(x, σ))‖² ],  w(x, σ) = 2 d(x, σ)"}},
      {"tiw_weight_only",
       {"Ablation of TIW-DSM: the weight without the target's correction; its optimum is still biased.",
        "E[ w(x, σ) λ(σ) ‖D(x; σ) − x₀‖² ]"}},
      {"tiw_target_only",
       {"Ablation of TIW-DSM: the target's correction without the weight.",
        "E[ λ(σ) ‖D(x; σ) − (x₀ + σ² ∇ₓ log w(x, σ))‖² ]"}},
  };
  const auto found = kTexts.find(objective);
  return found == kTexts.end() ? MethodText{} : found->second;
}

}  // namespace equipoise::report
