#include "train/dual_ascent.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::train {
namespace {

using testing::ElementsAre;

DualConfig config_of(double step, double relaxation = 0) {
  DualConfig config;
  config.dual_step = step;
  config.relaxation = relaxation;
  return config;
}

double after_one_step(double multiplier, double step, double loss, double threshold,
                      double relaxation = 0) {
  DualAscent ascent(config_of(step, relaxation), {threshold}, {multiplier});
  ascent.step({loss});
  return ascent.multipliers()[0];
}

TEST(DualAscent, TakesTheStepsWorkedOutByHand) {
  EXPECT_EQ(after_one_step(0.2, 0.5, 0.4, 1.0), 0);
  EXPECT_NEAR(after_one_step(0.2, 0.5, 1.1, 1.0), 0.25, 1e-15);
  EXPECT_NEAR(after_one_step(0.2, 0.5, 0.8, 0, 0.1), 0.58, 1e-15);
}

TEST(DualAscent, FallsLinearlyToZeroWhileMetAndGrowsWhileNot) {
  DualAscent ascent(config_of(0.5), {0.3, 0.3}, {0.25, 0.25});
  for (int k = 1; k <= 8; ++k) {
    ascent.step({0.2, 0.4});
    EXPECT_NEAR(ascent.multipliers()[0], std::max(0.0, 0.25 - 0.05 * k), 1e-12);
    EXPECT_NEAR(ascent.multipliers()[1], 0.25 + 0.05 * k, 1e-12);
  }
  EXPECT_EQ(ascent.multipliers()[0], 0);
  EXPECT_EQ(ascent.num_steps(), 8);
}

TEST(DualAscent, ResilientMultiplierSettlesGeometrically) {
  DualAscent ascent(config_of(0.5, 0.1), {0}, {0});
  double error = 4;
  for (int k = 0; k < 200; ++k) {
    ascent.step({0.8});
    EXPECT_NEAR(4 - ascent.multipliers()[0], 0.9 * error, 1e-12);
    error *= 0.9;
  }
  EXPECT_NEAR(ascent.multipliers()[0], 4, 1e-8);
}

/// KL(q^i | q_mix) of constraints that are single groups, as losses.
std::vector<double> divergences(const std::vector<double>& shares,
                                const std::vector<size_t>& groups) {
  std::vector<double> losses;
  for (const size_t group : groups) losses.push_back(-std::log(shares[group]));
  return losses;
}

std::vector<double> indicator(size_t size, size_t group) {
  std::vector<double> shares(size, 0.0);
  shares[group] = 1;
  return shares;
}

/// Dual ascent on groups of known shares, where the best model is the mixture itself.
DualAscent ascend(const std::vector<double>& base, const std::vector<size_t>& groups,
                  const std::vector<double>& thresholds, double step, int num_steps) {
  std::vector<std::vector<double>> parts;
  for (const size_t group : groups) parts.push_back(indicator(base.size(), group));
  DualAscent ascent(config_of(step), thresholds, std::vector<double>(groups.size(), 0.0));
  for (int k = 0; k < num_steps; ++k)
    ascent.step(divergences(mixture_shares(base, parts, ascent.multipliers()), groups));
  return ascent;
}

TEST(DualAscent, GivesEveryMinorityAnEqualShare) {
  std::vector<double> base(10, 0.94 / 7);
  const std::vector<size_t> minorities{4, 5, 7};
  for (const size_t group : minorities) base[group] = 0.02;
  const DualAscent ascent =
      ascend(base, minorities, std::vector<double>(3, std::log(10)), 0.05, 3000);
  for (const double multiplier : ascent.multipliers()) EXPECT_NEAR(multiplier, 0.1142857, 1e-6);
  std::vector<std::vector<double>> parts;
  for (const size_t group : minorities) parts.push_back(indicator(10, group));
  for (const double share : mixture_shares(base, parts, ascent.multipliers()))
    EXPECT_NEAR(share, 0.1, 1e-6);
}

TEST(DualAscent, FindsTheMultipliersOfDisjointLaws) {
  // Group 0 is the main law, 1 and 2 the constraints'.
  const DualAscent ascent = ascend({1, 0, 0}, {1, 2}, {1, 2}, 0.05, 6000);
  // The first step sees infinite divergences, which move nothing.
  EXPECT_THAT(ascent.multipliers(), ElementsAre(0, 0));
  std::vector<double> base{1 - 2e-9, 1e-9, 1e-9};
  EXPECT_THAT(
      ascend(base, {1, 2}, {1, 2}, 0.05, 6000).multipliers(),
      ElementsAre(testing::DoubleNear(0.740520, 1e-6), testing::DoubleNear(0.272422, 1e-6)));
}

TEST(DualAscent, GrowsForEverUnderThresholdsThatCannotBeMet) {
  // Three laws each to have half of the mixture: exp(-b) sums to 3/2.
  const std::vector<double> base{1 - 3e-9, 1e-9, 1e-9, 1e-9}, thresholds(3, std::log(2));
  const double before = ascend(base, {1, 2, 3}, thresholds, 1, 400).multipliers()[0];
  const double after = ascend(base, {1, 2, 3}, thresholds, 1, 500).multipliers()[0];
  EXPECT_GT(before, 100);
  EXPECT_NEAR((after - before) / 100, std::log(3) - std::log(2), 0.003);
}

TEST(DualAscent, HoldsTheUpperBoundAndCountsIt) {
  DualConfig config = config_of(1);
  config.max_multiplier = 2.5;
  DualAscent ascent(config, {0}, {0});
  for (int k = 0; k < 4; ++k) ascent.step({1});
  EXPECT_EQ(ascent.multipliers()[0], 2.5);
  EXPECT_EQ(ascent.num_capped(), 2);
}

TEST(DualAscent, LossThatIsNotFiniteMovesNothing) {
  DualAscent ascent(config_of(1), {0, 0}, {0.5, 0.5});
  ascent.step({std::numeric_limits<double>::quiet_NaN(), 1});
  EXPECT_THAT(ascent.multipliers(), ElementsAre(0.5, 1.5));
}

TEST(DualAscent, ZeroStepFreezesTheMultipliers) {
  DualAscent ascent(config_of(0), {0}, {0.8});
  ascent.step({5});
  EXPECT_EQ(ascent.multipliers()[0], 0.8);
}

TEST(DualAscent, RefusesRelaxedStepsThatWouldSwing) {
  try {
    DualAscent(config_of(2, 0.5), {0}, {0});
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("relaxation 0.5 with dual_step 2"));
  }
  EXPECT_THROW(DualAscent(config_of(1), {0}, {-1}), UsageError);
}

TEST(DualAscent, StateComesBackToTheBit) {
  DualAscent ascent(config_of(0.1), {0.1, 0.2}, {0, 0});
  ascent.step({1.0 / 3, 2.0 / 7});
  DualAscent other(config_of(0.1), {0.1, 0.2}, {0, 0});
  other.restore(nlohmann::json::parse(ascent.state().dump()));
  EXPECT_EQ(other.multipliers(), ascent.multipliers());
  EXPECT_EQ(other.num_steps(), 1);
  DualAscent of_one(config_of(0.1), {0.1}, {0});
  EXPECT_THROW(of_one.restore(ascent.state()), UsageError);
}

// Total variation of two mixtures is at most the summed difference of their multipliers.
TEST(MixtureShares, MoveNoFartherThanTheMultipliers) {
  RandomStream random(3, Purpose::kToyData);
  const auto law = [&](size_t size) {
    std::vector<double> shares(size);
    double total = 0;
    for (double& share : shares) total += share = random.uniform();
    for (double& share : shares) share /= total;
    return shares;
  };
  for (int k = 0; k < 200; ++k) {
    const std::vector<double> base = law(6);
    const std::vector<std::vector<double>> parts{law(6), law(6), law(6)};
    std::vector<double> one, other;
    double moved = 0;
    for (int i = 0; i < 3; ++i) {
      one.push_back(3 * random.uniform());
      other.push_back(3 * random.uniform());
      moved += std::abs(one.back() - other.back());
    }
    const auto p = mixture_shares(base, parts, one), q = mixture_shares(base, parts, other);
    double variation = 0, total = 0;
    for (size_t j = 0; j < p.size(); ++j) {
      variation += std::abs(p[j] - q[j]) / 2;
      total += p[j];
    }
    EXPECT_LE(variation, moved);
    EXPECT_NEAR(total, 1, 1e-12);
  }
}

}  // namespace
}  // namespace equipoise::train
