#include "samplers/noise_grid.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/mixture_law.h"

namespace equipoise::samplers {
namespace {

const diffusion::GaussianMixture& some_law() {
  static const diffusion::GaussianMixture law = diffusion::isotropic_gaussian({0});
  return law;
}

/// Knows the noise levels 0.5, 1, 1.5, … 10 only.
class HalvesDenoiser : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor&,
                     const diffusion::Conditions&) const override {
    return x;
  }
  double sigma_min() const override { return 0.5; }
  double sigma_max() const override { return 10; }
  at::Tensor round_sigma(const at::Tensor& sigma) const override { return (2 * sigma).round() / 2; }
};

TEST(NoiseGrid, FallsFromTheHighestLevelToZero) {
  const std::vector<double> grid = noise_grid({}, some_law());
  ASSERT_EQ(grid.size(), 19u);
  EXPECT_NEAR(grid.front(), 80, 1e-12);
  EXPECT_NEAR(grid[1], 57.5859, 1e-4) << "second level of the 18-step grid with rho 7";
  EXPECT_NEAR(grid[17], 0.002, 1e-15);
  EXPECT_EQ(grid.back(), 0);
  for (size_t i = 1; i < grid.size(); ++i) EXPECT_LT(grid[i], grid[i - 1]);
}

TEST(NoiseGrid, OneStepStartsAtTheHighestLevel) {
  const std::vector<double> grid = noise_grid({.steps = 1}, some_law());
  ASSERT_EQ(grid.size(), 2u);
  EXPECT_NEAR(grid[0], 80, 1e-12);
  EXPECT_EQ(grid[1], 0);
}

TEST(NoiseGrid, KeepsToTheLevelsTheDenoiserKnows) {
  const std::vector<double> grid = noise_grid({.steps = 6}, HalvesDenoiser());
  EXPECT_EQ(grid.front(), 10);
  EXPECT_EQ(grid[5], 0.5);
  for (const double sigma : grid) EXPECT_EQ(std::round(2 * sigma), 2 * sigma);
}

TEST(NoiseGrid, RefusesAnEmptyRange) {
  EXPECT_THROW(noise_grid({.sigma_min = 20}, HalvesDenoiser()), UsageError);
}

SamplingInput input_of(int64_t count) {
  SamplingInput input;
  input.latents = at::ones({count, 1}, at::kDouble);
  input.seeds = at::arange(count);
  input.seed_base = 9;
  return input;
}

TEST(Churn, ReachesTheVarianceOfTheRaisedLevel) {
  const GridConfig config{.steps = 20, .churn = 4};
  const SamplingInput input = input_of(20000);
  const State start{at::zeros({20000, 1}, at::kDouble), at::full({20000}, 2.0, at::kDouble)};
  const State raised = add_churn(config, some_law(), input, start, 0);
  EXPECT_NEAR(raised.sigma[0].item<double>(), 2 * 1.2, 1e-12);
  EXPECT_NEAR(raised.x.std().item<double>(), std::sqrt(2.4 * 2.4 - 4), 0.02);
}

TEST(Churn, IsBoundedAndKeptWithinItsRange) {
  const SamplingInput input = input_of(2);
  const State mixed{at::zeros({2, 1}, at::kDouble), at::tensor({0.5, 3.0}, at::kDouble)};
  const State raised =
      add_churn({.steps = 2, .churn = 1000, .churn_min = 1}, some_law(), input, mixed, 0);
  EXPECT_EQ(raised.sigma[0].item<double>(), 0.5);
  EXPECT_EQ(raised.x[0][0].item<double>(), 0);
  EXPECT_NEAR(raised.sigma[1].item<double>(), 3 * std::sqrt(2.0), 1e-12);
}

TEST(Churn, DrawsByImageSeedAndStep) {
  const GridConfig config{.churn = 40};
  const State state{at::zeros({4, 1}, at::kDouble), at::ones({4}, at::kDouble)};
  const SamplingInput input = input_of(4);
  SamplingInput reordered = input;
  reordered.seeds = input.seeds.flip(0);
  const at::Tensor noise = add_churn(config, some_law(), input, state, 3).x;
  EXPECT_TRUE(at::equal(add_churn(config, some_law(), reordered, state, 3).x, noise.flip(0)));
  EXPECT_FALSE(at::equal(add_churn(config, some_law(), input, state, 4).x, noise));
}

TEST(Slope, PointsFromTheImageToItsDenoisedSelf) {
  const State state{at::full({1, 1}, 3.0, at::kDouble), at::full({1}, 2.0, at::kDouble)};
  EXPECT_NEAR(slope(some_law(), state, {}).item<double>(), (3 - 3.0 / 5) / 2, 1e-12);
}

}  // namespace
}  // namespace equipoise::samplers
