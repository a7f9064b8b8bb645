// Ancestral sampling: the reverse Markov chain of a discrete-time model.
#include <string>

#include "core/error.h"
#include "diffusion/per_item.h"
#include "samplers/ddpm_levels.h"
#include "samplers/sampler.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

struct DdpmConfig : DdpmLevelsConfig {
  std::string variance = "auto";

  void fields(FieldVisitor& f) {
    DdpmLevelsConfig::fields(f);
    f.choice("variance", variance, {"auto", "small", "large", "learned"},
             "of a reverse step: beta~, beta, the model's own, or its own where it has one and "
             "beta~ where not");
  }
};

/// x' = mu(D, x) + Sigma c + sqrt(Sigma) n in the variance-preserving scale, mu the posterior mean
/// and c the guidance: the mean-shift form, which equals the guided score up to sqrt(1 - beta) for
/// Sigma = beta. Terms that compare denoisers (classifier-free guidance) change D instead. The last
/// step adds no noise.
class DdpmSampler : public Sampler {
 public:
  explicit DdpmSampler(const DdpmConfig& config) : config_(config), chain_(ddpm_chain(config)) {
    const auto fixed = config.variance == "large" ? diffusion::FixedVariance::kLarge
                                                  : diffusion::FixedVariance::kSmall;
    log_variance_ = diffusion::ddpm_log_variance(chain_, fixed);
  }

  int64_t num_steps() const override { return config_.steps; }
  at::Tensor levels(const diffusion::Denoiser& denoiser) const override {
    return ddpm_levels(config_, denoiser);
  }
  bool is_stochastic() const override { return true; }

  void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
            Walkers& walkers) const override {
    const diffusion::Estimate known = ddpm_estimate(config_, model, walkers, levels);
    const at::Tensor index = (config_.steps - 1 - walkers.level).to(at::kCPU);
    const auto each = [&](const at::Tensor& values) {
      return diffusion::per_item(values, walkers.x);
    };
    const auto at_index = [&](const at::Tensor& table) {
      return each(table.index_select(0, index));
    };
    const at::Tensor scale = at_index(chain_.alpha_bar).sqrt();
    at::Tensor x = diffusion::ddpm_posterior_mean(chain_, index, known.denoised, scale * walkers.x);
    const at::Tensor variance = log_variance(known, index, walkers).exp();
    if (known.shift.defined()) {
      const at::Tensor sigma = each(sigma_here(levels, walkers));
      x = x + variance * known.shift / (sigma.square() * scale);
    }
    x = x + at_index((chain_.steps > chain_.steps[0]).to(at::kDouble)) * variance.sqrt() *
                step_noise(walkers);
    arrive(walkers, x / at_index(chain_.previous_alpha_bar).sqrt());
  }

 private:
  at::Tensor log_variance(const diffusion::Estimate& known, const at::Tensor& index,
                          const Walkers& walkers) const {
    const bool is_learned = known.variance_share.defined();
    if (config_.variance == "learned" && !is_learned)
      throw UsageError({.where = "sampler.variance",
                        .what = "the model has not learned a variance",
                        .got = "learned",
                        .expected = "small or large",
                        .hint = ""});
    if (is_learned && (config_.variance == "learned" || config_.variance == "auto"))
      return diffusion::ddpm_learned_log_variance(chain_, index, known.variance_share);
    return diffusion::per_item(log_variance_.index_select(0, index), walkers.x);
  }

  DdpmConfig config_;
  diffusion::DdpmChain chain_;
  at::Tensor log_variance_;
};

const bool kRegistered = register_sampler<DdpmSampler, DdpmConfig>(
    {.name = "ddpm",
     .summary =
         "The reverse Markov chain of a discrete-time model, with fixed or learned variance.",
     .source = "Ho et al. 2020 (arXiv:2006.11239), Alg. 2; Nichol and Dhariwal 2021 "
               "(arXiv:2102.09672)",
     .use_when = "for discrete-time models in many steps, and for exact rejection; ddim for few"});

}  // namespace
}  // namespace equipoise::samplers
