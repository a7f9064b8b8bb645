#include "guidance/discriminator.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/mixture_law.h"
#include "samplers/sampler.h"

namespace equipoise::guidance {
namespace {

using diffusion::GaussianMixture;
using diffusion::GuidedDenoiser;
using diffusion::Visit;

std::shared_ptr<GaussianMixture> gaussian(double mean, double std = 1) {
  return std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({mean}, std));
}

/// Guidance by the exact ratio of two laws.
std::shared_ptr<const DiscriminatorGuidance> exact(DiscriminatorOptions options,
                                                   const std::shared_ptr<GaussianMixture>& data,
                                                   const std::shared_ptr<GaussianMixture>& model) {
  return std::make_shared<const DiscriminatorGuidance>(
      options, std::make_shared<diffusion::MixtureRatio>(data, model));
}

DiscriminatorOptions defaults() {
  DiscriminatorOptions options;
  return options;
}

/// Guided wherever there is noise at all.
DiscriminatorOptions everywhere(double weight, double second) {
  DiscriminatorOptions options = defaults();
  options.weight = weight;
  options.second = second;
  options.time_min = 0;
  return options;
}

Visit visit_at(const at::Tensor& x, const at::Tensor& sigma) {
  return {.x = x,
          .sigma = sigma,
          .level = at::zeros({x.size(0)}, at::kLong),
          .seeds = at::arange(x.size(0))};
}

at::Tensor sample(const nlohmann::json& options, const GuidedDenoiser& model,
                  const at::Tensor& latents) {
  samplers::SamplingInput input;
  input.latents = latents;
  input.seeds = at::arange(latents.size(0));
  return samplers::SamplerRegistry::instance().find("heun").make.make(options)->sample(model,
                                                                                       input);
}

const at::Tensor kPoints = at::tensor({-2.0, 0.3, 1.0, 4.0}, at::kDouble).unsqueeze(1);
const at::Tensor kSigmas = at::tensor({0.1, 0.7, 3.0, 30.0}, at::kDouble);

// D_model + sigma^2 grad l = x / (1 + sigma^2), the denoiser of the data.
TEST(DiscriminatorGuidance, ExactRatioGivesTheDenoiserOfTheData) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const GuidedDenoiser guided(*model, {exact(everywhere(1, 1), data, model)});
  const at::Tensor denoised = guided.estimate(visit_at(kPoints, kSigmas)).guided();
  EXPECT_LT((denoised - data->denoise(kPoints, kSigmas)).abs().max().item<double>(), 1e-12);
}

// Data N(0, s_q^2), model N(0, s_p^2): the guided denoiser is x s_q^2 / (s_q^2 + sigma^2).
TEST(DiscriminatorGuidance, MendsAWrongVariance) {
  const auto data = gaussian(0, 0.6), model = gaussian(0, 1.5);
  const GuidedDenoiser guided(*model, {exact(everywhere(1, 1), data, model)});
  const at::Tensor expected = kPoints * (0.36 / (0.36 + kSigmas.square())).unsqueeze(1);
  const at::Tensor denoised = guided.estimate(visit_at(kPoints, kSigmas)).guided();
  EXPECT_LT((denoised - expected).abs().max().item<double>(), 1e-10);
}

// Model N(0.5, 1), data N(0, 1), 18 Heun steps: the end is affine in the latent, with slope 1.04473
// whatever the weights.
TEST(DiscriminatorGuidance, EndsWhereTheWeightsSay) {
  struct Case {
    double weight, second, intercept;
  };
  const auto data = gaussian(0), model = gaussian(0.5);
  for (const Case& c :
       {Case{0, 0, 0.49347}, Case{1, 1, 0}, Case{2, 0, 0.14916}, Case{1, 0, 0.32131}}) {
    const GuidedDenoiser guided(*model, {exact(everywhere(c.weight, c.second), data, model)});
    const at::Tensor ends =
        sample({{"steps", 18}}, guided, at::tensor({0.0, 1.0}, at::kDouble).unsqueeze(1));
    EXPECT_NEAR(ends[0].item<double>(), c.intercept, 5e-6);
    EXPECT_NEAR((ends[1] - ends[0]).item<double>(), 1.04473, 5e-6);
  }
}

// False alarm: 4,000 points, 0.5 +- 4.5 standard errors, once in 100,000 runs.
TEST(DiscriminatorGuidance, RestoresTheShareOfARareMode) {
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  DiscriminatorOptions options = everywhere(1, 1);
  const auto term = std::make_shared<const DiscriminatorGuidance>(
      options, std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased));
  const at::Tensor latents =
      random_normal(4, Purpose::kLatent, at::arange(4000), {2}).to(at::kDouble);
  const auto share = [&](const GuidedDenoiser& model) {
    const at::Tensor ends = sample({{"steps", 40}}, model, latents);
    return (ends.sum(1) > 0).to(at::kDouble).mean().item<double>();
  };
  EXPECT_NEAR(share(*laws.biased), 0.2, 0.03);
  EXPECT_NEAR(share(GuidedDenoiser(*laws.biased, {term})), 0.5, 0.036);
}

TEST(DiscriminatorGuidance, NoWeightChangesNothingToTheLastBit) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const at::Tensor latents = at::arange(5, at::kDouble).unsqueeze(1) - 2;
  const GuidedDenoiser guided(*model, {exact(everywhere(0, 0), data, model)});
  const nlohmann::json options{{"steps", 18}};
  EXPECT_TRUE(at::equal(sample(options, guided, latents), sample(options, *model, latents)));
}

TEST(DiscriminatorGuidance, IsLinearInItsWeight) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const Visit visit = visit_at(kPoints, kSigmas);
  const at::Tensor denoised = model->denoise(visit.x, visit.sigma);
  const at::Tensor once = exact(everywhere(1, 0), data, model)->shift(visit, denoised, *model);
  const at::Tensor twice = exact(everywhere(2, 0), data, model)->shift(visit, denoised, *model);
  EXPECT_LT((twice - 2 * once).abs().max().item<double>(), 1e-14);
  EXPECT_LT(once[3].abs().item<double>() / 30, 0.02) << "vanishes against sigma at large noise";
}

/// Counts the images whose ratio was asked for.
class CountingRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    ++num_calls;
    return sign * x.flatten(1).sum(1).square();
  }
  mutable int64_t num_calls = 0;
  double sign = 1;
};

TEST(DiscriminatorGuidance, AsksFifteenTimesInEighteenStepsWithinItsWindow) {
  const auto ratio = std::make_shared<CountingRatio>();
  const auto term = std::make_shared<const DiscriminatorGuidance>(defaults(), ratio);
  sample({{"steps", 18}}, GuidedDenoiser(*gaussian(0), {term}), kPoints);
  EXPECT_EQ(ratio->num_calls, 15);
}

TEST(DiscriminatorGuidance, AppliesItsWindowToEachImage) {
  const auto term =
      std::make_shared<const DiscriminatorGuidance>(defaults(), std::make_shared<CountingRatio>());
  const at::Tensor sigma = at::tensor({0.04, 0.05, 3.0, 30.0}, at::kDouble);
  const at::Tensor shift = term->shift(visit_at(kPoints, sigma), kPoints, *gaussian(0));
  EXPECT_EQ(shift[0].item<double>(), 0) << "sigma 0.0447 is time 0.01";
  for (int64_t i = 1; i < 4; ++i) EXPECT_NE(shift[i].item<double>(), 0);
}

TEST(DiscriminatorGuidance, ClippedProbabilitiesLoseTheirGradient) {
  DiscriminatorOptions options = everywhere(1, 0);
  options.clip = 1e-5;
  const DiscriminatorGuidance clipped(options, std::make_shared<CountingRatio>());
  // log-odds x^2: 16 is beyond log(1e5) = 11.51, 4 is not.
  const at::Tensor x = at::tensor({4.0, 2.0}, at::kDouble).unsqueeze(1);
  const at::Tensor shift = clipped.shift(visit_at(x, at::ones({2}, at::kDouble)), x, *gaussian(0));
  EXPECT_EQ(shift[0].item<double>(), 0);
  EXPECT_NEAR(shift[1].item<double>(), 4, 1e-6);
}

TEST(DiscriminatorGuidance, BoostingLeavesImagesTakenForRealAlone) {
  DiscriminatorOptions plain = everywhere(1, 0), boosted = plain;
  boosted.boost = true;
  const auto real = std::make_shared<CountingRatio>(),
             generated = std::make_shared<CountingRatio>();
  generated->sign = -1;
  const auto run = [&](const DiscriminatorOptions& options,
                       const std::shared_ptr<CountingRatio>& ratio) {
    const auto term = std::make_shared<const DiscriminatorGuidance>(options, ratio);
    return sample({{"steps", 6}}, GuidedDenoiser(*gaussian(0), {term}), kPoints * 0.01);
  };
  EXPECT_TRUE(at::equal(run(boosted, real), run(plain, real)));
  EXPECT_FALSE(at::equal(run(boosted, generated), run(plain, generated)));
}

TEST(DiscriminatorGuidance, BoostingWantsChurnEveryFifthStep) {
  DiscriminatorOptions options = everywhere(1, 0);
  options.boost = true;
  const auto generated = std::make_shared<CountingRatio>();
  generated->sign = -1;
  const DiscriminatorGuidance term(options, generated);
  Visit visit = visit_at(kPoints, kSigmas);
  visit.level = at::tensor({0, 5, 6, 10}, at::kLong);
  const at::Tensor churn = term.wanted_churn(visit);
  EXPECT_TRUE(churn[0].isnan().item<bool>());
  EXPECT_EQ(churn[1].item<double>(), 4);
  EXPECT_TRUE(churn[2].isnan().item<bool>());
  EXPECT_EQ(churn[3].item<double>(), 4);
}

TEST(GuidedDenoiser, NamesATermThatIsNotFinite) {
  class BrokenRatio : public diffusion::DensityRatio {
   public:
    at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
      return (x.flatten(1).sum(1) - 1).sqrt();
    }
  };
  const auto law = gaussian(0);
  const GuidedDenoiser guided(*law, {std::make_shared<const DiscriminatorGuidance>(
                                        everywhere(1, 0), std::make_shared<BrokenRatio>())});
  Visit visit = visit_at(at::tensor({3.0, 0.5}, at::kDouble).unsqueeze(1),
                         at::tensor({2.0, 2.5}, at::kDouble));
  visit.seeds = at::tensor({40, 41}, at::kLong);
  try {
    guided.estimate(visit);
    FAIL() << "must not go on with a term that is not finite";
  } catch (const NumericError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("discriminator"), std::string::npos) << text;
    EXPECT_NE(text.find("seed 41"), std::string::npos) << text;
    EXPECT_NE(text.find("2.5"), std::string::npos) << text;
  }
}

TEST(GuidedDenoiser, TermsAddUp) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const auto half = exact(everywhere(0.5, 0.5), data, model);
  const Visit visit = visit_at(kPoints, kSigmas);
  const at::Tensor both = GuidedDenoiser(*model, {half, half}).estimate(visit).guided();
  const at::Tensor one =
      GuidedDenoiser(*model, {exact(everywhere(1, 1), data, model)}).estimate(visit).guided();
  EXPECT_LT((both - one).abs().max().item<double>(), 1e-14);
}

TEST(GuidedDenoiser, ChunksDoNotChangeWhatATermSays) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const auto term = exact(defaults(), data, model);
  const Visit visit = visit_at(at::linspace(-3, 3, 7, at::kDouble).unsqueeze(1),
                               at::tensor({0.01, 0.02, 0.03, 1.0, 2.0, 3.0, 4.0}, at::kDouble));
  const at::Tensor whole = GuidedDenoiser(*model, {term}).estimate(visit).guided();
  const at::Tensor chunked = GuidedDenoiser(*model, {term}, 3).estimate(visit).guided();
  EXPECT_TRUE(at::equal(whole, chunked));
}

}  // namespace
}  // namespace equipoise::guidance
