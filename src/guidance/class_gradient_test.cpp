#include "guidance/class_gradient.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/mixture_law.h"
#include "guidance/classifier.h"
#include "guidance/minority.h"
#include "samplers/sampler.h"

namespace equipoise::guidance {
namespace {

using diffusion::GaussianMixture;

/// Which component of a mixture an image came from, exactly.
class MixturePosterior : public diffusion::LabelPosterior {
 public:
  MixturePosterior(std::shared_ptr<const GaussianMixture> law, int64_t num_labels)
      : law_(std::move(law)), num_labels_(num_labels) {}
  int64_t num_labels() const override { return num_labels_; }
  at::Tensor log_posterior(const at::Tensor& x, const at::Tensor& sigma) const override {
    return law_->responsibilities(x, sigma).log();
  }

 private:
  std::shared_ptr<const GaussianMixture> law_;
  int64_t num_labels_;
};

/// 0.9 N(-1.5, 0.25) + 0.1 N(1.5, 0.25).
std::shared_ptr<GaussianMixture> rare_right_mode() {
  return std::make_shared<GaussianMixture>(
      std::vector<GaussianMixture::Component>{{0.9, {-1.5}, 0.5}, {0.1, {1.5}, 0.5}});
}

std::shared_ptr<const ClassifierGuidance> towards(int64_t label, double scale) {
  ClassifierOptions options;
  options.target = label;
  options.scale = scale;
  return std::make_shared<const ClassifierGuidance>(
      options, LabelSource{.posterior = std::make_shared<MixturePosterior>(rare_right_mode(), 2)});
}

at::Tensor sample(const char* name, const nlohmann::json& options,
                  const diffusion::GuidedDenoiser& model, int64_t count = 4000) {
  samplers::SamplingInput input;
  input.seeds = at::arange(count);
  input.latents = random_normal(2, Purpose::kLatent, input.seeds, {1}).to(at::kDouble);
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
  const nlohmann::json options{{"steps", 20}};
  const at::Tensor plain = sample("ddpm", options, *law);
  EXPECT_TRUE(at::equal(sample("ddpm", options, guided), plain));
  EXPECT_NEAR((plain > 0).to(at::kDouble).mean().item<double>(), 0.1, 0.025);
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
