#include "guidance/class_gradient.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/label_fixture.h"
#include "diffusion/noisy_classifier.h"
#include "guidance/classifier.h"
#include "guidance/discriminator.h"
#include "guidance/minority.h"
#include "samplers/sampler.h"

namespace equipoise::guidance {
namespace {

using diffusion::GaussianMixture;
using diffusion::MixturePosterior;

/// right N(1.5, 0.25) and the rest N(-1.5, 0.25).
std::shared_ptr<GaussianMixture> two_modes(double right) {
  return std::make_shared<GaussianMixture>(
      std::vector<GaussianMixture::Component>{{1 - right, {-1.5}, 0.5}, {right, {1.5}, 0.5}});
}

std::shared_ptr<GaussianMixture> rare_right_mode() {
  return two_modes(0.1);
}

std::shared_ptr<const ClassifierGuidance> towards(int64_t label, double scale) {
  ClassifierOptions options;
  options.target = label;
  options.scale = scale;
  return std::make_shared<const ClassifierGuidance>(
      options, LabelSource{.posterior = std::make_shared<MixturePosterior>(rare_right_mode(), 2)});
}

at::Tensor sample(const char* name, const nlohmann::json& options,
                  const diffusion::GuidedDenoiser& model, int64_t count = 4000,
                  int64_t dimension = 1) {
  samplers::SamplingInput input;
  input.seeds = at::arange(count);
  input.latents = random_normal(2, Purpose::kLatent, input.seeds, {dimension}).to(at::kDouble);
  return samplers::SamplerRegistry::instance().find(name).make.make(options)->sample(model, input);
}

// Exact posterior, scale 1: samples follow N(1.5, 0.25). False alarms: 4,000 draws, mean within 0.05
// is six standard errors, 99 % positive is 0.9987 less 16 of them.
TEST(ClassifierGuidance, ExactPosteriorGivesTheClass) {
  const auto law = rare_right_mode();
  const diffusion::GuidedDenoiser guided(*law, {towards(1, 1)});
  for (const char* name : {"heun", "ddpm", "ddim", "dpmpp_2m"}) {
    const at::Tensor points = sample(name, {{"steps", 250}}, guided);
    EXPECT_NEAR(points.mean().item<double>(), 1.5, 0.05) << name;
    EXPECT_NEAR(points.std().item<double>(), 0.5, 0.03) << name;
    EXPECT_GT((points > 0).to(at::kDouble).mean().item<double>(), 0.99) << name;
  }
}

TEST(ClassifierGuidance, NoScaleChangesNothing) {
  const auto law = rare_right_mode();
  const diffusion::GuidedDenoiser guided(*law, {towards(1, 0)});
  const nlohmann::json options{{"steps", 100}};
  const at::Tensor plain = sample("ddpm", options, *law);
  EXPECT_TRUE(at::equal(sample("ddpm", options, guided), plain));
  // 4.5 standard errors, once in 100,000 runs: 0.0047 of the share, 0.0163 of the mean.
  EXPECT_NEAR((plain > 0).to(at::kDouble).mean().item<double>(), 0.1, 0.0215);
  EXPECT_NEAR(plain.mean().item<double>(), -1.2, 0.074);
}

TEST(ClassifierGuidance, AgreesWithFiniteDifferences) {
  const auto law = rare_right_mode();
  const MixturePosterior posterior(law, 2);
  const at::Tensor x = at::tensor({-1.0, 0.2, 2.0}, at::kDouble).unsqueeze(1);
  const at::Tensor sigma = at::tensor({0.3, 1.0, 4.0}, at::kDouble);
  const diffusion::Visit visit{
      .x = x, .sigma = sigma, .level = at::zeros({3}, at::kLong), .seeds = at::arange(3)};
  const at::Tensor shift = towards(1, 2.5)->shift(visit, x, *law).squeeze(1);
  const double h = 1e-5;
  const at::Tensor slope = (posterior.log_posterior(x + h, sigma).select(1, 1) -
                            posterior.log_posterior(x - h, sigma).select(1, 1)) /
                           (2 * h);
  EXPECT_LT((shift - 2.5 * sigma.square() * slope).abs().max().item<double>(), 1e-6);
}

// One ancestral step: guided mean less unguided mean is Sigma scale g, in the variance-preserving
// scale.
TEST(ClassifierGuidance, ShiftsTheMeanOfAnAncestralStepByItsVariance) {
  const auto law = rare_right_mode();
  const auto term = towards(1, 3);
  const auto ddpm = samplers::SamplerRegistry::instance().find("ddpm").make.make(
      {{"steps", 100}, {"variance", "large"}});
  const at::Tensor levels = ddpm->levels(*law);
  const samplers::Walkers start{.x = at::tensor({0.4, -2.0}, at::kDouble).unsqueeze(1),
                                .level = at::full({2}, 60, at::kLong),
                                .num_taken = at::zeros({2}, at::kLong),
                                .seeds = at::arange(2)};
  samplers::Walkers plain = start, guided = start;
  ddpm->step(*law, levels, plain);
  ddpm->step(diffusion::GuidedDenoiser(*law, {term}), levels, guided);
  const at::Tensor sigma = levels[60].expand({2}), next = levels[61];
  const at::Tensor shift = term->shift(
      {.x = start.x, .sigma = sigma, .level = start.level, .seeds = start.seeds}, start.x, *law);
  const at::Tensor beta = 1 - (1 + next.square()) / (1 + levels[60].square());
  const at::Tensor gradient_in_z = shift / levels[60].square() * (1 + levels[60].square()).sqrt();
  const at::Tensor expected = beta * gradient_in_z * (1 + next.square()).sqrt();
  EXPECT_LT((guided.x - plain.x - expected).abs().max().item<double>(), 1e-12);
}

TEST(ClassifierGuidance, RefusesLabelsThatDoNotExist) {
  EXPECT_THROW(towards(2, 1), UsageError);
  const auto law = rare_right_mode();
  EXPECT_THROW(sample("heun", {{"steps", 2}}, diffusion::GuidedDenoiser(*law, {towards(-1, 1)})),
               UsageError);
}

/// Images a network classifies, and how it is made.
struct NetworkCase {
  nlohmann::json network;
  nets::DataShape shape;
  std::vector<int64_t> image_shape;
};

std::vector<NetworkCase> network_cases() {
  const nlohmann::json part{
      {"model_channels", 32}, {"num_res_blocks", 1}, {"num_head_channels", 16}};
  nlohmann::json extractor = part;
  extractor.update({{"channel_mult", {1, 2}}, {"attention_resolutions", {4}}});
  return {{{{"type", "MLP"}, {"hidden", 16}}, {0, 2, 0}, {2}},
          {{{"type", "CNN"}, {"channels", {8, 16}}, {"emb_channels", 16}}, {8, 1, 0}, {1, 8, 8}},
          {{{"type", "ADM"}, {"extractor", extractor}, {"head", part}}, {8, 1, 0}, {1, 8, 8}}};
}

constexpr int64_t kNumLabels = 5;

/// A network with drawn weights of deviation `scale` about those it starts with.
std::shared_ptr<nets::DiscriminatorNetwork> make_network(const NetworkCase& c, double scale) {
  nlohmann::json config = c.network;
  config["outputs"] = kNumLabels;
  auto network = nets::make_discriminator_network(config, c.shape, 0);
  const at::NoGradGuard no_grad;
  uint32_t part = 0;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(random_normal(2, Purpose::kNoise, at::arange(1), parameter.sizes(), part++)[0] *
                   scale);
  return network;
}

std::shared_ptr<const ClassifierGuidance> towards_by(
    const std::shared_ptr<nets::DiscriminatorNetwork>& network, int64_t label, double scale) {
  ClassifierOptions options;
  options.target = label;
  options.scale = scale;
  const diffusion::NoisyClassifierUse use{.labels = {"a", "b", "c", "d", "e"}};
  return std::make_shared<const ClassifierGuidance>(
      options,
      LabelSource{.posterior = std::make_shared<diffusion::NoisyClassifier>(network, use)});
}

diffusion::Visit visit_of(const at::Tensor& x, const at::Tensor& sigma) {
  const int64_t count = x.size(0);
  return {
      .x = x, .sigma = sigma, .level = at::zeros({count}, at::kLong), .seeds = at::arange(count)};
}

at::Tensor drawn_images(const NetworkCase& c, int64_t count) {
  return random_normal(3, Purpose::kToyData, at::arange(count), c.image_shape).to(at::kDouble);
}

// The network computes in float32: differences over 0.004 are good to about 5e-4.
TEST(ClassifierGuidance, OfANetworkAgreesWithFiniteDifferences) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0});
  for (const NetworkCase& c : network_cases()) {
    SCOPED_TRACE(c.network["type"]);
    const auto network = make_network(c, 0.3);
    const diffusion::NoisyClassifier posterior(network, {.labels = {"a", "b", "c", "d", "e"}});
    const at::Tensor x = drawn_images(c, 3), sigma = at::tensor({0.3, 1.0, 4.0}, at::kDouble);
    const at::Tensor shift = towards_by(network, 2, 1.5)->shift(visit_of(x, sigma), x, law);
    // Along one direction for all pixels at once.
    const at::Tensor way = random_normal(4, Purpose::kToyData, at::arange(3), c.image_shape).sign();
    const double h = 2e-3;
    const at::NoGradGuard no_grad;
    const at::Tensor slope = (posterior.log_posterior(x + h * way, sigma).select(1, 2) -
                              posterior.log_posterior(x - h * way, sigma).select(1, 2))
                                 .to(at::kDouble) /
                             (2 * h);
    const at::Tensor found = (shift * way).flatten(1).sum(1) / (1.5 * sigma.square());
    EXPECT_GT(found.abs().max().item<double>(), 0.02) << "there must be a slope";
    EXPECT_LT((found - slope).abs().max().item<double>(),
              1e-3 + 0.01 * slope.abs().max().item<double>())
        << found << slope;
  }
}

TEST(ClassifierGuidance, OfANetworkLooksAtEachImageAlone) {
  const GaussianMixture law = diffusion::isotropic_gaussian({0});
  for (const NetworkCase& c : network_cases()) {
    SCOPED_TRACE(c.network["type"]);
    const auto term = towards_by(make_network(c, 0.1), 2, 1);
    const at::Tensor x = drawn_images(c, 3), sigma = at::tensor({0.3, 1.0, 4.0}, at::kDouble);
    const at::Tensor whole = term->shift(visit_of(x, sigma), x, law);
    const double scale = whole.abs().max().item<double>();
    EXPECT_GT(scale, 1e-3);
    for (int64_t i = 0; i < 3; ++i) {
      at::Tensor others = x.flip(0) * 3 + 1, other_sigma = sigma.flip(0);
      others[i] = x[i];
      other_sigma[i] = sigma[i];
      const at::Tensor beside = term->shift(visit_of(others, other_sigma), others, law)[i];
      EXPECT_LT((beside - whole[i]).abs().max().item<double>(), 1e-5 * scale) << i;
    }
  }
}

TEST(ClassifierGuidance, UniformLogitsChangeNothing) {
  const NetworkCase plane = network_cases().front();
  const auto network = make_network(plane, 0);
  {
    const at::NoGradGuard no_grad;
    for (at::Tensor& parameter : network->parameters()) parameter.zero_();
  }
  const auto law = diffusion::two_mode_laws().biased;
  const auto term = towards_by(network, 3, 50);
  const at::Tensor x = drawn_images(plane, 3), sigma = at::ones({3}, at::kDouble);
  const diffusion::NoisyClassifier posterior(network, {.labels = {"a", "b", "c", "d", "e"}});
  EXPECT_LT((posterior.log_posterior(x, sigma) + std::log(kNumLabels)).abs().max().item<double>(),
            1e-6);
  const diffusion::GuidedDenoiser guided(*law, {term});
  for (const char* name : {"heun", "ddpm"}) {
    const nlohmann::json options{{"steps", 10}};
    EXPECT_TRUE(at::equal(sample(name, options, guided, 20, 2), sample(name, options, *law, 20, 2)))
        << name;
  }
}

// A discriminator turns the model's law into the data's, and a classifier on the data chooses one
// mode of it: together they are the denoiser of that mode.
TEST(GuidedDenoiser, TermsOfDifferentKindsAddUp) {
  const auto model = rare_right_mode(), data = two_modes(0.6);
  const auto chosen = diffusion::isotropic_gaussian({1.5}, 0.5);
  DiscriminatorOptions to_data;
  to_data.weight = 1;
  to_data.time_min = 0;
  const auto ratio = std::make_shared<diffusion::MixtureRatio>(data, model);
  const auto discriminator = std::make_shared<const DiscriminatorGuidance>(to_data, ratio);
  ClassifierOptions to_right;
  to_right.target = 1;
  const LabelSource source{.posterior = std::make_shared<MixturePosterior>(data, 2)};
  const auto classifier = std::make_shared<const ClassifierGuidance>(to_right, source);
  const diffusion::Visit visit =
      visit_of(at::tensor({-1.0, 0.2, 2.0, 0.5, -0.3, 6.0}, at::kDouble).unsqueeze(1),
               at::tensor({0.7, 0.9, 1.0, 2.5, 3.0, 4.0}, at::kDouble));
  for (const diffusion::GuidedDenoiser::Terms& terms :
       {diffusion::GuidedDenoiser::Terms{discriminator, classifier}, {classifier, discriminator}}) {
    const at::Tensor both = diffusion::GuidedDenoiser(*model, terms).estimate(visit).guided();
    EXPECT_LT((both - chosen.denoise(visit.x, visit.sigma)).abs().max().item<double>(), 1e-10);
  }
  // Each within its own range, in chunks of which some see one term alone.
  to_data.sigma_max = 2;
  to_right.sigma_min = 0.95;
  to_right.scale = 2.5;
  const auto below = std::make_shared<const DiscriminatorGuidance>(to_data, ratio);
  const auto above = std::make_shared<const ClassifierGuidance>(to_right, source);
  const at::Tensor plain = model->denoise(visit.x, visit.sigma);
  const at::Tensor expected =
      plain + below->shift(visit, plain, *model) + above->shift(visit, plain, *model);
  for (const int64_t chunk : {0, 2}) {
    const diffusion::GuidedDenoiser guided(*model, {below, above}, chunk);
    EXPECT_LT((guided.estimate(visit).guided() - expected).abs().max().item<double>(), 1e-14)
        << chunk;
  }
  EXPECT_GT((expected - plain).abs().min().item<double>(), 1e-3) << "one acts on each";
}

TEST(MinorityGuidance, SteersToTheRarestBinUnlessTold) {
  const auto law = rare_right_mode();
  const auto share = [&](int64_t target, int64_t from) {
    MinorityOptions options;
    options.scale = 1;
    options.target = target;
    options.from = from;
    const auto term = std::make_shared<const MinorityGuidance>(
        options, LabelSource{.posterior = std::make_shared<MixturePosterior>(law, 2)});
    const at::Tensor points =
        sample("heun", {{"steps", 30}}, diffusion::GuidedDenoiser(*law, {term}), 1000);
    return (points > 0).to(at::kDouble).mean().item<double>();
  };
  EXPECT_GT(share(-1, -1), 0.98);
  EXPECT_LT(share(0, -1), 0.02);
  EXPECT_NEAR(share(-1, 0), 0.5, 0.08) << "bins drawn evenly: 5 standard errors";
}

}  // namespace
}  // namespace equipoise::guidance
