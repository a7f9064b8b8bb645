// What only ancestral sampling promises: the variance of its steps, fixed or learned.
#include <cmath>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/ddpm_schedule.h"
#include "diffusion/learned_variance.h"
#include "diffusion/mixture_law.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {
namespace {

using diffusion::DdpmChain;
using diffusion::GaussianMixture;

constexpr double kMean = 0.3, kStd = 0.5;

GaussianMixture gaussian() {
  return diffusion::isotropic_gaussian({kMean}, kStd);
}

/// A Gaussian whose denoiser also says how much noise a reverse step adds.
class LearnedGaussian : public GaussianMixture, public diffusion::LearnedVarianceDenoiser {
 public:
  using Share = std::function<at::Tensor(const at::Tensor& sigma)>;
  explicit LearnedGaussian(Share share) : GaussianMixture(gaussian()), share_(std::move(share)) {}
  std::pair<at::Tensor, at::Tensor> denoise_with_variance(
      const at::Tensor& x, const at::Tensor& sigma,
      const diffusion::Conditions& conditions) const override {
    return {denoise(x, sigma, conditions), share_(sigma).unsqueeze(1).expand_as(x)};
  }

 private:
  Share share_;
};

double at_index(const at::Tensor& values, int64_t i) {
  return values[i].item<double>();
}

/// The shares with which steps from sigma have the variance of the Gaussian's own reverse kernel,
/// beta~ + (sqrt(abar') beta / (1 - abar))^2 Var(x_0 | x); 0 at the last, which adds no noise.
at::Tensor exact_share(const DdpmChain& chain, const at::Tensor& sigma) {
  const at::Tensor i = (sigma.unsqueeze(1) - chain.sigma()).abs().argmin(1),
                   abar = chain.alpha_bar.index_select(0, i),
                   before = chain.previous_alpha_bar.index_select(0, i),
                   beta = chain.beta.index_select(0, i), small = beta * (1 - before) / (1 - abar),
                   clean = 1 / (1 / (kStd * kStd) + 1 / sigma.square()),
                   weight = before.sqrt() * beta / (1 - abar),
                   share = ((small + weight.square() * clean) / small).log() / (beta / small).log();
  return at::where(i == 0, at::zeros_like(share), share);
}

/// The same share everywhere.
LearnedGaussian::Share flat_share(double share) {
  return [share](const at::Tensor& sigma) { return at::full_like(sigma, share); };
}

std::unique_ptr<Sampler> ddpm(int64_t steps, const std::string& variance) {
  return SamplerRegistry::instance().find("ddpm").make.make(
      {{"steps", steps}, {"variance", variance}});
}

at::Tensor sample(const Sampler& sampler, const diffusion::Denoiser& denoiser, int64_t count) {
  SamplingInput input;
  input.seeds = at::arange(count);
  input.latents = random_normal(1, Purpose::kLatent, input.seeds, {1}).to(at::kDouble);
  return sampler.sample(denoiser, input);
}

// With the variance of the kernel itself the law is exact in however few steps, but for the last
// step, which goes to the denoised image. False alarms: 20,000 draws, 4.5 standard errors, once in
// 100,000 runs.
TEST(DdpmSampler, LearnedVarianceKeepsTheLawOfAGaussianInAnyNumberOfSteps) {
  constexpr int64_t kCount = 20000;
  const double error = 4.5 * std::sqrt(2.0 / kCount);
  for (const int64_t steps : {3, 12}) {
    const DdpmChain chain = diffusion::ddpm_chain({}, steps);
    const LearnedGaussian learned(
        [&](const at::Tensor& sigma) { return exact_share(chain, sigma); });
    const at::Tensor samples = sample(*ddpm(steps, "learned"), learned, kCount);
    const double variance = kStd * kStd;
    EXPECT_NEAR(samples.mean().item<double>(), kMean, 4.5 * kStd / std::sqrt(kCount)) << steps;
    EXPECT_NEAR(samples.var().item<double>() / variance, 1, error) << steps;
    const double small = sample(*ddpm(steps, "small"), learned, kCount).var().item<double>(),
                 large = sample(*ddpm(steps, "large"), learned, kCount).var().item<double>();
    EXPECT_LT(small / variance, 1 - 3 * error) << "the test can tell " << steps;
    EXPECT_GT(large / variance, 1 + 3 * error) << "the test can tell " << steps;
  }
}

/// Where one step from `level` leads images at x.
at::Tensor step_from(const Sampler& sampler, const diffusion::GuidedDenoiser& model, int64_t level,
                     const at::Tensor& x) {
  Walkers walkers{.x = x,
                  .level = at::full({x.size(0)}, level, at::kLong),
                  .num_taken = at::zeros({x.size(0)}, at::kLong),
                  .seeds = at::arange(x.size(0))};
  sampler.step(model, sampler.levels(model.denoiser()), walkers);
  return walkers.x;
}

const at::Tensor kPoints = at::tensor({-2.0, 0.3, 1.0, 4.0}, at::kDouble).unsqueeze(1);

TEST(DdpmSampler, InterpolatesLogVariancesByTheLearnedShare) {
  const GaussianMixture plain = gaussian();
  for (const int64_t level : {0, 20, 38}) {
    const auto learned = [&](double share, const char* variance) {
      return step_from(*ddpm(40, variance), LearnedGaussian(flat_share(share)), level, kPoints);
    };
    const at::Tensor small = step_from(*ddpm(40, "small"), plain, level, kPoints),
                     large = step_from(*ddpm(40, "large"), plain, level, kPoints);
    const auto differ = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs().max().item<double>();
    };
    const double scale = large.abs().max().item<double>();
    EXPECT_LT(differ(learned(0, "learned"), small), 1e-12 * scale);
    EXPECT_LT(differ(learned(1, "learned"), large), 1e-12 * scale);
    EXPECT_GT(differ(small, large), 1e-9 * scale);
    EXPECT_TRUE(at::equal(learned(0.3, "auto"), learned(0.3, "learned")));
    EXPECT_TRUE(at::equal(learned(0.3, "small"), small)) << "asked for a fixed one";
    EXPECT_TRUE(at::equal(learned(0.3, "large"), large)) << "asked for a fixed one";
    // x' = mean + deviation n in each case, with n the same, and
    // deviation = small^(1 - s) large^s.
    const DdpmChain chain = diffusion::ddpm_chain({}, 40);
    const int64_t i = 39 - level;
    const auto deviation = [&](diffusion::FixedVariance variance) {
      return std::exp(0.5 * at_index(diffusion::ddpm_log_variance(chain, variance), i));
    };
    const double a = deviation(diffusion::FixedVariance::kSmall),
                 b = deviation(diffusion::FixedVariance::kLarge),
                 between = std::pow(a, 0.7) * std::pow(b, 0.3);
    const at::Tensor expected = small + (large - small) * (between - a) / (b - a);
    EXPECT_LT(differ(learned(0.3, "learned"), expected), 1e-9 * scale) << level;
  }
}

/// The same shift everywhere.
class ConstantShift : public diffusion::Guidance {
 public:
  std::string name() const override { return "constant"; }
  at::Tensor strength(const diffusion::Visit& visit) const override {
    return at::ones_like(visit.sigma);
  }
  at::Tensor direction(const diffusion::Visit& visit, const at::Tensor&,
                       const diffusion::Denoiser&) const override {
    return at::full_like(visit.x, 0.7);
  }
};

// Mean shift Sigma c, with the variance the model learned.
TEST(DdpmSampler, ShiftsTheMeanByTheLearnedVariance) {
  const auto sampler = ddpm(40, "learned");
  const DdpmChain chain = diffusion::ddpm_chain({}, 40);
  for (const int64_t level : {5, 20, 38}) {
    const int64_t i = 39 - level;
    for (const double share : {0.0, 0.3, 1.0}) {
      const LearnedGaussian learned(flat_share(share));
      const at::Tensor plain = step_from(*sampler, learned, level, kPoints),
                       guided = step_from(*sampler, {learned, {std::make_shared<ConstantShift>()}},
                                          level, kPoints);
      const double abar = at_index(chain.alpha_bar, i), beta = at_index(chain.beta, i),
                   before = at_index(chain.previous_alpha_bar, i),
                   small = beta * (1 - before) / (1 - abar),
                   variance = std::pow(small, 1 - share) * std::pow(beta, share);
      // c in the variance-preserving scale is shift / sigma^2 / sqrt(abar).
      const double expected =
          variance * 0.7 * abar / (1 - abar) / std::sqrt(abar) / std::sqrt(before);
      EXPECT_LT((guided - plain - expected).abs().max().item<double>(), 1e-9 * expected)
          << level << " " << share;
    }
  }
}

TEST(DdpmSampler, RefusesToLearnFromAModelThatHasNoVariance) {
  EXPECT_THROW(step_from(*ddpm(40, "learned"), gaussian(), 3, kPoints), UsageError);
}

}  // namespace
}  // namespace equipoise::samplers
