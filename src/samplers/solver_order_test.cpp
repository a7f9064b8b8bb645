// What only heun or only euler promises: its order, and the exact result of a worked example.
#include <cmath>

#include <gtest/gtest.h>

#include "diffusion/mixture_law.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {
namespace {

at::Tensor sample(const std::string& name, const nlohmann::json& options,
                  const diffusion::Denoiser& denoiser, const at::Tensor& latents) {
  SamplingInput input;
  input.latents = latents;
  input.seeds = at::arange(latents.size(0));
  return SamplerRegistry::instance().find(name).make.make(options)->sample(denoiser, input);
}

// log2 of how much the error shrinks when the number of steps doubles.
double order_of(const std::string& name) {
  const diffusion::GaussianMixture law = diffusion::isotropic_gaussian({0}, 0.5);
  const at::Tensor latents = at::ones({1, 1}, at::kDouble);
  const double exact = 10 * 0.5 / std::sqrt(0.25 + 100);
  const auto error = [&](int64_t steps) {
    const at::Tensor end =
        sample(name, {{"steps", steps}, {"sigma_max", 10}, {"sigma_min", 1e-5}}, law, latents);
    return std::abs(end.item<double>() - exact);
  };
  return std::log2(error(128) / error(256));
}

TEST(HeunSampler, QuartersItsErrorWhenStepsDouble) {
  EXPECT_NEAR(order_of("heun"), 2, 0.15);
}

TEST(Dpmpp2mSampler, QuartersItsErrorWhenStepsDouble) {
  EXPECT_NEAR(order_of("dpmpp_2m"), 2, 0.25);
}

TEST(EulerSampler, HalvesItsErrorWhenStepsDouble) {
  EXPECT_NEAR(order_of("euler"), 1, 0.1);
}

TEST(HeunSampler, MapsLatentsOfAShiftedGaussianAsWorkedOut) {
  const diffusion::GaussianMixture shifted = diffusion::isotropic_gaussian({0.5}, 1);
  const at::Tensor ends =
      sample("heun", {{"steps", 18}}, shifted, at::arange(3, at::kDouble).unsqueeze(1));
  const double intercept = ends[0].item<double>();
  const double slope = ends[1].item<double>() - intercept;
  EXPECT_NEAR(intercept, 0.49347, 5e-6);
  EXPECT_NEAR(slope, 1.04473, 5e-6);
  EXPECT_NEAR(ends[2].item<double>(), intercept + 2 * slope, 1e-10) << "the map is affine";
}

TEST(EdmFamily, ReproducesHeunAndEulerOnTheirOwnChoices) {
  const auto law = diffusion::two_mode_laws().biased;
  const at::Tensor latents = at::arange(6, at::kDouble).reshape({3, 2}) - 2.5;
  for (const std::string name : {"heun", "euler"}) {
    const nlohmann::json options{{"steps", 9}, {"churn", 3}};
    nlohmann::json family = options;
    family["solver"] = name;
    const at::Tensor difference =
        sample("edm_family", family, *law, latents) - sample(name, options, *law, latents);
    EXPECT_LT(difference.abs().max().item<double>(), 1e-10) << name;
  }
}

TEST(EdmFamily, EveryChoiceConvergesToTheSameFlow) {
  const diffusion::GaussianMixture law = diffusion::isotropic_gaussian({0}, 0.5);
  const at::Tensor latents = at::ones({1, 1}, at::kDouble);
  for (const char* discretization : {"edm", "vp", "ve", "iddpm"}) {
    for (const char* schedule : {"linear", "vp", "ve"}) {
      for (const char* scaling : {"none", "vp"}) {
        const nlohmann::json options{
            {"steps", 250},         {"sigma_max", 10},    {"discretization", discretization},
            {"schedule", schedule}, {"scaling", scaling}, {"alpha", 0.7}};
        const double start = SamplerRegistry::instance()
                                 .find("edm_family")
                                 .make.make(options)
                                 ->levels(law)[0]
                                 .item<double>();
        EXPECT_NEAR(sample("edm_family", options, law, latents).item<double>(),
                    start * 0.5 / std::sqrt(0.25 + start * start), 2e-3)
            << options;
      }
    }
  }
}

TEST(EdmFamily, PlacesTheLevelsOfEachDiscretisation) {
  const diffusion::GaussianMixture law = diffusion::isotropic_gaussian({0});
  const auto levels = [&](const char* discretization) {
    return SamplerRegistry::instance()
        .find("edm_family")
        .make.make({{"steps", 5}, {"discretization", discretization}, {"sigma_min", 0.02}})
        ->levels(law);
  };
  // VE: geometric between its ends.
  const at::Tensor ve = levels("ve");
  for (int64_t i = 1; i < 5; ++i)
    EXPECT_NEAR((ve[i] / ve[i - 1]).item<double>(), std::pow(0.02 / 80, 0.25), 1e-12);
  // VP: log(1 + sigma^2) is a parabola of the time, which runs evenly from 1 to 0.001.
  const at::Tensor exponent = levels("vp").slice(0, 0, 5).square().log1p();
  const at::Tensor second = exponent.diff().diff();
  EXPECT_LT((second - second[0]).abs().max().item<double>(), 1e-9);
  // iDDPM: abar = sin^2 of an even angle; number 9 of its 1,001 levels is the last below 80.
  const double angle = 0.5 * M_PI / 1.008;
  double abar_ratio = 1;
  for (int64_t j = 1000; j > 9; --j)
    abar_ratio *= std::max(std::pow(std::sin(angle * static_cast<double>(j - 1) / 1000) /
                                        std::sin(angle * static_cast<double>(j) / 1000),
                                    2),
                           0.001);
  EXPECT_NEAR(levels("iddpm")[0].item<double>(), std::sqrt(1 / abar_ratio - 1), 1e-9);
}

TEST(Solvers, TakeNoSecondOrderStepToZero) {
  const diffusion::GaussianMixture law = diffusion::isotropic_gaussian({1}, 1);
  const at::Tensor latents = at::ones({1, 1}, at::kDouble);
  const at::Tensor one_step = sample("heun", {{"steps", 1}}, law, latents);
  EXPECT_TRUE(at::equal(one_step, sample("euler", {{"steps", 1}}, law, latents)));
  EXPECT_NEAR(one_step.item<double>(), 1 + 79 / 6401.0, 1e-9)
      << "one step to 0 lands on the denoised image";
}

}  // namespace
}  // namespace equipoise::samplers
