#include "audit/lipschitz.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include <gtest/gtest.h>

#include "audit/conditional_law.h"
#include "core/error.h"

namespace equipoise::audit {
namespace {

/// eps(x, e) = x / 2 + B e, which is linear in the condition.
class LinearDenoiser : public diffusion::Denoiser {
 public:
  explicit LinearDenoiser(at::Tensor map) : map_(std::move(map)) {}
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& conditions) const override {
    const at::Tensor shift = at::matmul(conditions.class_labels.to(at::kDouble), map_.t());
    return x - sigma.unsqueeze(1) * (x / 2 + shift);
  }

 private:
  at::Tensor map_;
};

struct Linear {
  at::Tensor map = random_normal(1, Purpose::kToyData, at::arange(6), {4}).to(at::kDouble);
  LinearDenoiser denoiser{map};
  at::Tensor images = random_normal(2, Purpose::kToyData, at::arange(5), {6});
  std::vector<Prompt> prompts;
  LipschitzOptions options;

  Linear() {
    for (int64_t p = 0; p < 3; ++p)
      prompts.push_back(
          {std::to_string(p), random_normal(3, Purpose::kToyData, at::arange(p, p + 1), {4})[0]});
    options.steps = {50, 500};
    options.power_iterations = 60;
  }
  double exact(int64_t step) const {
    return std::get<1>(at::linalg_svd(map))[0].item<double>() /
           std::sqrt(1 - alpha_bar_of_step(step));
  }
};

TEST(Lipschitz, LocalValueOfALinearScoreIsItsLargestSingularValue) {
  const Linear linear;
  const LipschitzEstimate found =
      estimate_lipschitz(linear.denoiser, linear.images, linear.prompts, linear.options);
  for (const LipschitzAtStep& at_step : found.steps) {
    const double exact = linear.exact(at_step.step);
    EXPECT_NEAR(at_step.local.max().item<double>(), exact, 1e-4 * exact);
    EXPECT_NEAR(at_step.local.min().item<double>(), exact, 1e-4 * exact);
  }
}

TEST(Lipschitz, PairsOfALinearScoreStayBelowIt) {
  const Linear linear;
  const LipschitzEstimate found =
      estimate_lipschitz(linear.denoiser, linear.images, linear.prompts, linear.options);
  ASSERT_EQ(found.pairs.size(), 3u);
  for (const LipschitzAtStep& at_step : found.steps) {
    EXPECT_LE(at_step.largest(), linear.exact(at_step.step) * (1 + 1e-9));
    for (size_t p = 0; p < found.pairs.size(); ++p) {
      const auto [i, j] = found.pairs[p];
      const at::Tensor gap =
          (linear.prompts[i].condition - linear.prompts[j].condition).to(at::kDouble);
      const double expected = at::mv(linear.map, gap).norm().item<double>() /
                              gap.norm().item<double>() /
                              std::sqrt(1 - alpha_bar_of_step(at_step.step));
      EXPECT_NEAR(at_step.ratios[0][static_cast<int64_t>(p)].item<double>(), expected,
                  1e-6 * expected);
    }
  }
}

/// eps(x, e) = (1 + |x|^2) e: how far prompts are told apart depends on the noise. Remembers the
/// largest and the mean factor of all it is asked about.
class NoisyFactor : public diffusion::Denoiser {
 public:
  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& conditions) const override {
    const at::Tensor factor = 1 + x.square().sum(1, /*keepdim=*/true);
    largest = std::max(largest, factor.max().item<double>());
    sum += factor.sum().item<double>();
    count += factor.numel();
    return x - sigma.unsqueeze(1) * factor * conditions.class_labels.to(at::kDouble);
  }
  mutable double largest = 0, sum = 0;
  mutable int64_t count = 0;
};

TEST(Lipschitz, TheEstimateIsTheLargestOverAllDraws) {
  const NoisyFactor denoiser;
  const at::Tensor images = random_normal(2, Purpose::kToyData, at::arange(5), {4});
  const std::vector<Prompt> prompts{{"a", at::eye(4)[0]}, {"b", at::eye(4)[1]}};
  LipschitzOptions options;
  options.steps = {500};
  options.num_draws = 20;
  options.power_iterations = 0;
  const LipschitzEstimate found = estimate_lipschitz(denoiser, images, prompts, options);
  const double unit = 1 / std::sqrt(1 - alpha_bar_of_step(500));
  const double mean = denoiser.sum / static_cast<double>(denoiser.count);
  EXPECT_NEAR(found.steps[0].largest(), denoiser.largest * unit, 1e-6);
  EXPECT_NEAR(found.steps[0].ratios.mean().item<double>(), mean * unit, 1e-6);
  EXPECT_GT(denoiser.largest, 2 * mean) << "draws are much alike: the test is blind";

  const std::vector<AuditNumber> numbers = lipschitz_numbers(found, prompts, options);
  EXPECT_NEAR(numbers[0].interval.value, mean * unit, 1e-6);
  EXPECT_NEAR(numbers[1].interval.value, denoiser.largest * unit, 1e-6);
  EXPECT_LE(numbers[1].interval.low, numbers[1].interval.value);
  EXPECT_GE(numbers[1].interval.high, numbers[1].interval.value);
}

// Two laws N(mu, 1/4) half a unit apart: eps differs by sqrt(1 - abar) sqrt(abar) / (2 v), v =
// abar / 4 + 1 - abar. Their own divergence is 1/2; the paths' sum is 0.498.
TEST(PathKl, OfTwoGaussiansIsNearTheirDivergence) {
  std::vector<int64_t> steps(1000);
  std::vector<double> gaps;
  for (int64_t t = 0; t < 1000; ++t) {
    steps[static_cast<size_t>(t)] = t;
    const double abar = alpha_bar_of_step(t), v = 0.25 * abar + 1 - abar;
    gaps.push_back((1 - abar) * abar * 0.25 / (v * v));
  }
  const at::Tensor exact = at::tensor(gaps, at::kDouble);
  const double whole = path_kl_weights(steps).dot(exact).item<double>();
  EXPECT_NEAR(whole, 0.498, 0.001);
  std::vector<int64_t> some;
  for (int64_t t = 0; t < 1000; t += 27) some.push_back(t);
  const at::Tensor thinned = exact.index_select(0, at::tensor(some, at::kLong));
  EXPECT_NEAR(path_kl_weights(some).dot(thinned).item<double>(), whole, 0.01)
      << "interpolated between 38 steps";
}

TEST(PathKl, RefusesStepsThatDoNotRise) {
  EXPECT_THROW(path_kl_weights({}), UsageError);
  EXPECT_THROW(path_kl_weights({5, 5}), UsageError);
  EXPECT_THROW(path_kl_weights({5, 1000}), UsageError);
}

TEST(PathKl, BoundsShares) {
  EXPECT_EQ(pinsker_bound(0), 0);
  EXPECT_NEAR(pinsker_bound(0.02), 0.1, 1e-12);
  EXPECT_EQ(pinsker_bound(9), 1);
}

TEST(Lipschitz, NumbersHaveIntervalsAndLimits) {
  const Linear linear;
  const auto numbers = lipschitz_numbers(
      estimate_lipschitz(linear.denoiser, linear.images, linear.prompts, linear.options),
      linear.prompts, linear.options);
  EXPECT_EQ(numbers.size(), 2u * 3u + 3u * 2u);
  for (const AuditNumber& number : numbers) {
    EXPECT_LE(number.interval.low, number.interval.high) << number.name;
    EXPECT_FALSE(number.not_said.empty());
  }
}

TEST(Lipschitz, RefusesPromptsWithoutDistance) {
  const Linear linear;
  std::vector<Prompt> prompts = linear.prompts;
  prompts[1] = prompts[0];
  EXPECT_THROW(estimate_lipschitz(linear.denoiser, linear.images, prompts, linear.options),
               UsageError);
  prompts[1] = {"none"};
  EXPECT_THROW(estimate_lipschitz(linear.denoiser, linear.images, prompts, linear.options),
               UsageError);
}

}  // namespace
}  // namespace equipoise::audit
