#include "diffusion/ddpm_schedule.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::diffusion {
namespace {

const DdpmSchedule kLinear{BetaLaw::kLinear, 1000}, kCosine{BetaLaw::kCosine, 1000};

double at_index(const at::Tensor& table, int64_t i) {
  return table[i].item<double>();
}

void expect_near(const at::Tensor& actual, const at::Tensor& expected, double relative) {
  EXPECT_LT((actual / expected - 1).abs().max().item<double>(), relative);
}

TEST(DdpmSchedule, HasANameThatReadsBack) {
  for (const DdpmSchedule& schedule : {kLinear, kCosine, DdpmSchedule{BetaLaw::kCosine, 4000}}) {
    const auto read = parse_ddpm_schedule(to_string(schedule));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->law, schedule.law);
    EXPECT_EQ(read->num_steps, schedule.num_steps);
  }
  EXPECT_EQ(to_string(kLinear), "ddpm_linear_1000");
  for (const char* name : {"iddpm", "ddpm_linear_", "ddpm_linear_1e3", "ddpm_linear_1000x",
                           "ddpm_square_1000", "ddpm_linear_99999999999999999999"})
    EXPECT_FALSE(parse_ddpm_schedule(name).has_value()) << name;
}

TEST(DdpmSchedule, RisesLinearly) {
  const at::Tensor betas = ddpm_betas(kLinear);
  EXPECT_NEAR(at_index(betas, 0), 1e-4, 1e-18);
  EXPECT_NEAR(at_index(betas, 333), 1e-4 + (0.02 - 1e-4) / 3, 1e-15);
  EXPECT_NEAR(at_index(betas, 999), 0.02, 1e-16);
  EXPECT_NEAR(at_index(ddpm_betas({BetaLaw::kLinear, 500}), 499), 0.04, 1e-16);
}

TEST(DdpmSchedule, HasThePublishedEnds) {
  const DdpmChain linear = ddpm_chain(kLinear);
  EXPECT_NEAR(at_index(linear.alpha_bar, 0), 0.9999, 1e-15);
  EXPECT_NEAR(at_index(linear.alpha_bar, 999), 4.036e-5, 5e-9);
}

// Until the cap sets in, the products telescope to f((t+1)/T) / f(0).
TEST(DdpmSchedule, FallsAsACosine) {
  const DdpmChain cosine = ddpm_chain(kCosine);
  const auto f = [](double u) {
    const double c = std::cos((u + 0.008) / 1.008 * std::acos(-1.0) / 2);
    return c * c;
  };
  for (const int64_t t : {0, 1, 250, 500, 998})
    EXPECT_NEAR(at_index(cosine.alpha_bar, t) / (f((t + 1) / 1000.0) / f(0)), 1, 1e-10) << t;
  EXPECT_EQ(at_index(ddpm_betas(kCosine), 999), 0.999);
  EXPECT_NEAR(at_index(cosine.alpha_bar, 999) / at_index(cosine.alpha_bar, 998), 1e-3, 1e-15);
}

TEST(DdpmSchedule, RefusesTooFewSteps) {
  EXPECT_THROW(ddpm_betas({BetaLaw::kLinear, 20}), UsageError);
  EXPECT_LT(at_index(ddpm_betas({BetaLaw::kLinear, 21}), 20), 1);
  EXPECT_THROW(ddpm_betas({BetaLaw::kCosine, 1}), UsageError);
  EXPECT_THROW(ddpm_chain(kLinear, 1), UsageError);
  EXPECT_THROW(ddpm_chain(kLinear, 1001), UsageError);
}

TEST(RespacedSteps, AreThoseOfTheReference) {
  const at::Tensor steps = respaced_steps(1000, 100);
  ASSERT_EQ(steps.numel(), 100);
  const std::vector<std::pair<int64_t, int64_t>> known{{0, 0},    {1, 10},   {58, 585}, {59, 595},
                                                       {60, 605}, {61, 616}, {99, 999}};
  for (const auto& [position, step] : known)
    EXPECT_EQ(steps[position].item<int64_t>(), step) << position;
}

TEST(RespacedSteps, RoundHalvesToTheEvenNumber) {
  EXPECT_TRUE(at::equal(respaced_steps(6, 3), at::tensor({0, 2, 5}, at::kLong)));
  EXPECT_TRUE(at::equal(respaced_steps(8, 3), at::tensor({0, 4, 7}, at::kLong)));
}

TEST(RespacedSteps, AreDistinct) {
  for (const int64_t num_kept : {2, 100, 250, 999, 1000}) {
    const at::Tensor steps = respaced_steps(1000, num_kept);
    EXPECT_GE((steps.slice(0, 1) - steps.slice(0, 0, num_kept - 1)).min().item<int64_t>(), 1);
  }
}

TEST(DdpmChain, KeepsAlphaBarAtTheKeptSteps) {
  for (const DdpmSchedule& schedule : {kLinear, kCosine}) {
    const DdpmChain all = ddpm_chain(schedule), some = ddpm_chain(schedule, 100);
    EXPECT_TRUE(at::equal(some.alpha_bar, all.alpha_bar.index_select(0, some.steps)));
    expect_near(at::cumprod(1 - some.beta, 0), some.alpha_bar, 1e-9);
  }
}

TEST(DdpmChain, HasTheScheduleItselfWhenAllStepsAreKept) {
  for (const DdpmSchedule& schedule : {kLinear, kCosine}) {
    const DdpmChain chain = ddpm_chain(schedule, 1000);
    EXPECT_TRUE(at::equal(chain.steps, at::arange(1000)));
    expect_near(chain.beta, ddpm_betas(schedule), 1e-10);
  }
}

// Minority guidance scores at position 60 of 100, a very different level for each schedule.
TEST(DdpmChain, HasTheLevelsOfMinorityScores) {
  const DdpmChain linear = ddpm_chain(kLinear, 100);
  EXPECT_NEAR(at_index(linear.alpha_bar, 60), 0.024056, 5e-7);
  EXPECT_NEAR(std::pow(at_index(linear.sigma(), 60), 2), 40.57, 5e-3);
  EXPECT_NEAR(at_index(ddpm_chain(kCosine, 100).alpha_bar, 60), 0.3320, 5e-5);
}

// x_{i-1} = sqrt(abar_{i-1}) x_0 + noise and x_i = sqrt(1 - beta_i) x_{i-1} + noise, by precisions.
TEST(DdpmPosterior, IsThatOfTwoGaussians) {
  for (const DdpmSchedule& schedule : {kLinear, kCosine}) {
    const DdpmChain chain = ddpm_chain(schedule, 50);
    for (const int64_t i : {1, 7, 30, 49}) {
      const double previous = at_index(chain.previous_alpha_bar, i), beta = at_index(chain.beta, i);
      const double precision = 1 / (1 - previous) + (1 - beta) / beta;
      const double clean = 0.7, noisy = -1.3;
      const double mean =
          (std::sqrt(previous) * clean / (1 - previous) + std::sqrt(1 - beta) * noisy / beta) /
          precision;
      const at::Tensor index = at::tensor({i}, at::kLong);
      const auto image = [](double value) { return at::full({1, 2, 2, 2}, value, at::kDouble); };
      const at::Tensor found = ddpm_posterior_mean(chain, index, image(clean), image(noisy));
      EXPECT_EQ(found.sizes(), at::IntArrayRef({1, 2, 2, 2}));
      EXPECT_NEAR(found.mean().item<double>(), mean, 1e-10 * std::abs(mean)) << i;
      EXPECT_NEAR(at_index(ddpm_log_variance(chain, FixedVariance::kSmall), i),
                  -std::log(precision), 1e-9);
    }
  }
}

TEST(DdpmPosterior, EndsAtTheCleanImage) {
  const DdpmChain chain = ddpm_chain(kLinear, 50);
  const at::Tensor clean = random_normal(1, Purpose::kNoise, at::arange(3), {2, 4}),
                   noisy = random_normal(1, Purpose::kNoise, at::arange(3), {2, 4}, 1);
  const at::Tensor mean = ddpm_posterior_mean(chain, at::zeros({3}, at::kLong), clean, noisy);
  EXPECT_EQ(mean.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::allclose(mean, clean, 0, 1e-6));
}

TEST(DdpmPosterior, TakesEveryImageAtItsOwnStep) {
  const DdpmChain chain = ddpm_chain(kLinear, 50);
  const at::Tensor clean = random_normal(1, Purpose::kNoise, at::arange(2), {2, 4}),
                   noisy = random_normal(1, Purpose::kNoise, at::arange(2), {2, 4}, 1);
  const at::Tensor both = ddpm_posterior_mean(chain, at::tensor({40, 3}, at::kLong), clean, noisy);
  for (int64_t i = 0; i < 2; ++i)
    EXPECT_TRUE(at::equal(both.slice(0, i, i + 1),
                          ddpm_posterior_mean(chain, at::tensor({i == 0 ? 40 : 3}, at::kLong),
                                              clean.slice(0, i, i + 1), noisy.slice(0, i, i + 1))));
}

TEST(DdpmVariance, IsFiniteAtTheFirstStep) {
  const DdpmChain chain = ddpm_chain(kLinear, 250);
  const at::Tensor small = ddpm_log_variance(chain, FixedVariance::kSmall),
                   large = ddpm_log_variance(chain, FixedVariance::kLarge);
  EXPECT_EQ(at_index(small, 0), at_index(small, 1));
  EXPECT_EQ(at_index(large, 0), at_index(small, 1));
  EXPECT_TRUE(at::equal(large.slice(0, 1), chain.beta.slice(0, 1).log()));
  EXPECT_TRUE((small.slice(0, 1) < large.slice(0, 1)).all().item<bool>());
}

TEST(DdpmVariance, IsLearnedBetweenTheFixedOnes) {
  const DdpmChain chain = ddpm_chain(kCosine, 250);
  const at::Tensor small = ddpm_log_variance(chain, FixedVariance::kSmall);
  const at::Tensor index = at::tensor({0, 17, 249}, at::kLong);
  const auto learned = [&](double share) {
    return ddpm_learned_log_variance(chain, index, at::full({3, 1}, share, at::kDouble)).squeeze(1);
  };
  const at::Tensor log_beta = chain.beta.log().index_select(0, index),
                   log_small = small.index_select(0, index);
  EXPECT_TRUE(at::equal(learned(1), log_beta));
  EXPECT_TRUE(at::equal(learned(0), log_small));
  EXPECT_TRUE(at::allclose(learned(0.25), 0.25 * log_beta + 0.75 * log_small, 1e-14, 0));
}

}  // namespace
}  // namespace equipoise::diffusion
