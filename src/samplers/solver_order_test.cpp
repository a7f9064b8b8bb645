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
