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

std::vector<double> grid_of(const GridConfig& config, const diffusion::Denoiser& denoiser) {
  const at::Tensor levels = noise_grid(config, denoiser);
  return {levels.data_ptr<double>(), levels.data_ptr<double>() + levels.numel()};
}

TEST(NoiseGrid, FallsFromTheHighestLevelToZero) {
  const std::vector<double> grid = grid_of({}, some_law());
  ASSERT_EQ(grid.size(), 19u);
  EXPECT_NEAR(grid.front(), 80, 1e-12);
  EXPECT_NEAR(grid[1], 57.5859, 1e-4) << "second level of the 18-step grid with rho 7";
  EXPECT_NEAR(grid[17], 0.002, 1e-15);
  EXPECT_EQ(grid.back(), 0);
  for (size_t i = 1; i < grid.size(); ++i) EXPECT_LT(grid[i], grid[i - 1]);
}

TEST(NoiseGrid, HasTheEighteenPublishedLevels) {
  const std::vector<double> published{80,      57.586,  40.786,   28.375,   19.352,   12.910,
                                      8.4009,  5.3152,  3.2568,   1.9233,   1.0882,   0.58535,
                                      0.29644, 0.13952, 0.059947, 0.022935, 0.007528, 0.002};
  const std::vector<double> grid = grid_of({}, some_law());
  ASSERT_EQ(grid.size(), published.size() + 1);
  // Printed to four or five digits.
  for (size_t i = 0; i < published.size(); ++i) EXPECT_NEAR(grid[i] / published[i], 1, 7e-5) << i;
}

TEST(NoiseGrid, OneStepStartsAtTheHighestLevel) {
  const std::vector<double> grid = grid_of({.steps = 1}, some_law());
  ASSERT_EQ(grid.size(), 2u);
  EXPECT_NEAR(grid[0], 80, 1e-12);
  EXPECT_EQ(grid[1], 0);
}

TEST(NoiseGrid, KeepsToTheLevelsTheDenoiserKnows) {
  const std::vector<double> grid = grid_of({.steps = 6}, HalvesDenoiser());
  EXPECT_EQ(grid.front(), 10);
  EXPECT_EQ(grid[5], 0.5);
  for (const double sigma : grid) EXPECT_EQ(std::round(2 * sigma), 2 * sigma);
}

TEST(NoiseGrid, RefusesAnEmptyRange) {
  EXPECT_THROW(noise_grid({.sigma_min = 20}, HalvesDenoiser()), UsageError);
}

/// Walkers at x, all at the first of two levels, `sigma` and 0, after `num_taken` steps.
Walkers walkers_at(const at::Tensor& x, int64_t num_taken = 0) {
  const at::Tensor zeros = at::zeros({x.size(0)}, at::kLong);
  return {.x = x,
          .level = zeros,
          .num_taken = zeros + num_taken,
          .seeds = at::arange(x.size(0)),
          .seed_base = 9};
}

Place churned(const ChurnConfig& config, int64_t num_steps, double sigma, const Walkers& walkers) {
  return churned_place(config, num_steps, some_law(), at::tensor({sigma, 0.0}, at::kDouble),
                       walkers);
}

TEST(Churn, ReachesTheVarianceOfTheRaisedLevel) {
  const Place raised = churned({.churn = 4}, 20, 2, walkers_at(at::zeros({20000, 1}, at::kDouble)));
  EXPECT_NEAR(raised.sigma[0].item<double>(), 2 * 1.2, 1e-12);
  EXPECT_NEAR(raised.x.std().item<double>(), std::sqrt(2.4 * 2.4 - 4), 0.02);
}

TEST(Churn, IsBoundedAndKeptWithinItsRange) {
  const Walkers walkers = walkers_at(at::zeros({1, 1}, at::kDouble));
  const ChurnConfig config{.churn = 1000, .churn_min = 1};
  const Place low = churned(config, 2, 0.5, walkers);
  EXPECT_EQ(low.sigma[0].item<double>(), 0.5);
  EXPECT_EQ(low.x[0][0].item<double>(), 0);
  EXPECT_NEAR(churned(config, 2, 3, walkers).sigma[0].item<double>(), 3 * std::sqrt(2.0), 1e-12);
}

TEST(Churn, DrawsByImageSeedAndStep) {
  const ChurnConfig config{.churn = 40};
  const Walkers walkers = walkers_at(at::zeros({4, 1}, at::kDouble), 3);
  Walkers reordered = walkers;
  reordered.seeds = walkers.seeds.flip(0);
  const at::Tensor noise = churned(config, 18, 1, walkers).x;
  EXPECT_TRUE(at::equal(churned(config, 18, 1, reordered).x, noise.flip(0)));
  Walkers later = walkers;
  later.num_taken = walkers.num_taken + 1;
  EXPECT_FALSE(at::equal(churned(config, 18, 1, later).x, noise));
}

TEST(Slope, PointsFromTheImageToItsDenoisedSelf) {
  const Place place{at::full({1, 1}, 3.0, at::kDouble), at::full({1}, 2.0, at::kDouble)};
  const Walkers walkers = walkers_at(place.x);
  EXPECT_NEAR(slope(some_law(), walkers, place).item<double>(), (3 - 3.0 / 5) / 2, 1e-12);
}

}  // namespace
}  // namespace equipoise::samplers
