#include "guidance/discriminator.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/discriminator_fixture.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/mixture_law.h"
#include "diffusion/model_file.h"
#include "io/scratch_folder.h"
#include "samplers/noise_grid.h"

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
    if (c.intercept == 0) {
      EXPECT_LT(std::abs(ends[0].item<double>()), 1e-12) << "the exact correction";
    }
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

// d = 1/2, or any number that does not depend on the image: there is nothing to correct.
TEST(DiscriminatorGuidance, ADiscriminatorThatKnowsNothingChangesNothing) {
  const auto model = gaussian(0.5);
  const at::Tensor latents = at::arange(5, at::kDouble).unsqueeze(1) - 2;
  const nlohmann::json options{{"steps", 18}};
  const at::Tensor plain = sample(options, *model, latents);
  DiscriminatorOptions guidance = everywhere(2, 1);
  guidance.boost = true;
  for (const double prior : {0.5, 0.2}) {
    const auto undecided = std::make_shared<diffusion::DiscriminatorRatio>(
        std::make_shared<diffusion::LineDiscriminator>(0, 0),
        diffusion::DiscriminatorUse{.reference_prior = prior});
    const GuidedDenoiser guided(
        *model, {std::make_shared<const DiscriminatorGuidance>(guidance, undecided)});
    EXPECT_TRUE(at::equal(sample(options, guided, latents), plain)) << prior;
  }
}

// G = -sigma^2 grad l: with means m apart |G| = m sigma^2 / (1 + sigma^2).
TEST(DiscriminatorGuidance, VanishesAtBothEndsOfTheNoise) {
  const auto data = gaussian(0), model = gaussian(0.5);
  DiscriminatorOptions options = everywhere(1, 0);
  options.time_max = 2;
  const auto term = exact(options, data, model);
  for (const double sigma : {1e-8, 1e-4, 1e-2, 150.0, 1e4}) {
    const at::Tensor sigmas = at::full({4}, sigma, at::kDouble);
    const at::Tensor shift = term->shift(visit_at(kPoints, sigmas), kPoints, *model);
    const double expected = -0.5 * sigma * sigma / (1 + sigma * sigma);
    EXPECT_LT((shift / expected - 1).abs().max().item<double>(), 1e-9) << sigma;
  }
  // Laws whose ratio is curved: G goes with sigma^2 to 0, and |G| / sigma and l to 0 in much noise.
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  const auto ratio = std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased);
  const DiscriminatorGuidance curved(options, ratio);
  const at::Tensor x = at::tensor({-2.0, -2.0, 0.1, 0.2, 2.0, 2.0}, at::kDouble).reshape({3, 2});
  const auto size_at = [&](double sigma) {
    const Visit visit = visit_at(x, at::full({3}, sigma, at::kDouble));
    return curved.shift(visit, x, *laws.biased).abs().max().item<double>();
  };
  EXPECT_NEAR(size_at(1e-4) / size_at(1e-3), 1e-2, 1e-5);
  EXPECT_LT(size_at(1e-4), 1e-7);
  EXPECT_LT(size_at(100) / 100, 0.1 * size_at(1));
  const at::Tensor log_odds = ratio->log_ratio(x, at::full({3}, 1000, at::kDouble));
  EXPECT_LT(log_odds.abs().max().item<double>(), 1e-4);
}

// x' less the unguided x' of one Euler step is -(sigma' - sigma) w (shift at weight 1) / sigma.
TEST(DiscriminatorGuidance, DoublingItsWeightDoublesWhatItAddsToAStep) {
  const auto data = gaussian(0), model = gaussian(0.5);
  const auto euler = samplers::SamplerRegistry::instance().find("euler").make.make({{"steps", 18}});
  const at::Tensor levels = euler->levels(*model);
  const samplers::Walkers start{.x = kPoints,
                                .level = at::tensor({0, 4, 9, 16}, at::kLong),
                                .num_taken = at::zeros({4}, at::kLong),
                                .seeds = at::arange(4)};
  const auto arrival = [&](double weight) {
    samplers::Walkers walkers = start;
    const GuidedDenoiser guided(*model, {exact(everywhere(weight, 0), data, model)});
    euler->step(guided, levels, walkers);
    return walkers.x.squeeze(1);
  };
  const at::Tensor here = levels.index_select(0, start.level),
                   next = levels.index_select(0, start.level + 1);
  const at::Tensor expected = (next - here) * 0.5 * here / (1 + here.square());
  const at::Tensor plain = arrival(0), once = arrival(1) - plain, twice = arrival(2) - plain;
  EXPECT_LT((once - expected).abs().max().item<double>(), 1e-13);
  EXPECT_LT((twice - 2 * once).abs().max().item<double>(), 1e-13);
  EXPECT_GT(once.abs().min().item<double>(), 1e-6);
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

/// log-odds = the sum of the pixels; counts the times it was asked.
class SumRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    ++num_calls;
    return x.flatten(1).sum(1);
  }
  mutable int64_t num_calls = 0;
};

TEST(DiscriminatorGuidance, BoostingDoublesEverySecondStepOfImagesTakenForGenerated) {
  DiscriminatorOptions options = everywhere(1.5, 0.25);
  options.boost = true;
  const DiscriminatorGuidance term(options, std::make_shared<SumRatio>());
  Visit visit = visit_at(at::tensor({-2.0, -2.0, 3.0, 3.0}, at::kDouble).unsqueeze(1), kSigmas);
  visit.level = at::tensor({4, 5, 4, 5}, at::kLong);
  const at::Tensor first = term.shift(visit, visit.x, *gaussian(0)).squeeze(1);
  const at::Tensor factors = at::tensor({2.0, 1.0, 1.0, 1.0}, at::kDouble);
  EXPECT_LT((first / (1.5 * kSigmas.square() * factors) - 1).abs().max().item<double>(), 1e-14);
  visit.is_correction = true;
  const at::Tensor second = term.shift(visit, visit.x, *gaussian(0)).squeeze(1);
  EXPECT_LT((second / (0.25 * kSigmas.square()) - 1).abs().max().item<double>(), 1e-14)
      << "first evaluations only";
}

// gamma = 4/18, with fresh noise of deviation 1 whatever the solver's own.
TEST(DiscriminatorGuidance, BoostingRaisesTheNoiseOfAStepByFourEighteenths) {
  DiscriminatorOptions options = everywhere(1, 0);
  options.boost = true;
  const auto model = gaussian(0);
  const GuidedDenoiser guided(*model, {std::make_shared<const DiscriminatorGuidance>(
                                          options, std::make_shared<SumRatio>())});
  const at::Tensor levels = samplers::noise_grid({}, *model);
  const samplers::Walkers walkers{
      .x = at::tensor({-2.0, -0.5, -1.0, 3.0}, at::kDouble).unsqueeze(1),
      .level = at::tensor({5, 10, 6, 5}, at::kLong),
      .num_taken = at::full({4}, 7, at::kLong),
      .seeds = at::arange(4)};
  const samplers::Place place =
      samplers::churned_place({.churn_noise = 3}, 18, guided, levels, walkers);
  const at::Tensor here = levels.index_select(0, walkers.level);
  const at::Tensor gamma = at::tensor({4.0 / 18, 4.0 / 18, 0.0, 0.0}, at::kDouble);
  EXPECT_LT((place.sigma / here - 1 - gamma).abs().max().item<double>(), 1e-14);
  const at::Tensor added = here * ((1 + gamma).square() - 1).sqrt();
  const at::Tensor expected = walkers.x + added.unsqueeze(1) * samplers::step_noise(walkers);
  EXPECT_LT((place.x - expected).abs().max().item<double>(), 1e-12);
}

// Outside its window an image counts as real (log-odds of 1e7 in the reference).
TEST(DiscriminatorGuidance, BoostsNothingOutsideItsWindow) {
  DiscriminatorOptions options = defaults();
  options.boost = true;
  options.time_max = 0.5;
  const auto ratio = std::make_shared<SumRatio>();
  const DiscriminatorGuidance term(options, ratio);
  const at::Tensor x = at::full({3, 1}, -2.0, at::kDouble);
  Visit visit = visit_at(x, at::tensor({0.04, 100.0, 1.0}, at::kDouble));
  visit.level = at::full({3}, 10, at::kLong);
  const at::Tensor churn = term.wanted_churn(visit), shift = term.shift(visit, x, *gaussian(0));
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_TRUE(churn[i].isnan().item<bool>()) << i;
    EXPECT_EQ(shift[i].item<double>(), 0) << i;
  }
  EXPECT_EQ(churn[2].item<double>(), 4);
  EXPECT_NEAR(shift[2].item<double>(), 2 * 2, 1e-12) << "weight 2, doubled";
  ratio->num_calls = 0;
  visit.sigma = at::tensor({0.04, 100.0, 0.01}, at::kDouble);
  EXPECT_FALSE(term.wanted_churn(visit).defined());
  EXPECT_FALSE(term.shift(visit, x, *gaussian(0)).defined());
  EXPECT_EQ(ratio->num_calls, 0);
}

/// A discriminator of points in the plane, written as training writes it.
std::filesystem::path write_discriminator(const io::ScratchFolder& folder, bool time_dependent) {
  const diffusion::NetworkDescription description{.shape = {.resolution = 0, .channels = 2},
                                                  .network = {{"type", "MLP"}, {"hidden", 8}},
                                                  .extra = {{"time_dependent", time_dependent}}};
  const auto network = nets::make_discriminator_network(description.network, description.shape, 3);
  const std::filesystem::path file =
      folder / (time_dependent ? "noisy.safetensors" : "clean.safetensors");
  diffusion::save_discriminator(file, nets::state_of(*network), description);
  return file;
}

TEST(DiscriminatorGuidance, RefusesDiscriminatorsOfCleanImages) {
  const io::ScratchFolder folder;
  DiscriminatorOptions options = defaults();
  options.model = write_discriminator(folder, true);
  EXPECT_NO_THROW(DiscriminatorGuidance(options, TermContext{}));
  options.model = write_discriminator(folder, false);
  try {
    const DiscriminatorGuidance term(options, TermContext{});
    FAIL() << "it knows no noise";
  } catch (const UsageError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("clean images only"), std::string::npos) << text;
    EXPECT_NE(text.find("clean.safetensors"), std::string::npos) << text;
  }
}

TEST(DiscriminatorGuidance, RefusesModelsOfOtherImages) {
  const io::ScratchFolder folder;
  DiscriminatorOptions options = defaults();
  options.model = write_discriminator(folder, true);
  const DiscriminatorGuidance term(options, TermContext{});
  EXPECT_NO_THROW(term.check_fits({.resolution = 0, .channels = 2}));
  for (const nets::DataShape& other :
       {nets::DataShape{.resolution = 0, .channels = 3}, {.resolution = 8, .channels = 2}}) {
    try {
      term.check_fits(other);
      FAIL() << "its network takes other images";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("noisy.safetensors"), std::string::npos)
          << error.what();
    }
  }
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
