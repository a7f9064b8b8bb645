#include "metrics/intervals.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <boost/math/distributions/binomial.hpp>

#include "core/error.h"

namespace equipoise::metrics {
namespace {

using IntervalOfShare = Interval (*)(int64_t, int64_t, double);

/// The exact chance that the interval of a binomial draw holds its p: a sum over all draws, no
/// simulation.
double coverage_of(IntervalOfShare interval, double p, int64_t trials) {
  const boost::math::binomial law(static_cast<double>(trials), p);
  double covered = 0;
  for (int64_t k = 0; k <= trials; ++k) {
    if (contains(interval(k, trials, 0.95), p))
      covered += boost::math::pdf(law, static_cast<double>(k));
  }
  return covered;
}

// Newcombe 1998, Statistics in Medicine 17:857, table I: methods 3 (score) and 5 (exact).
TEST(WilsonInterval, EqualsPublishedValues) {
  const Interval common = wilson_interval(81, 263);
  EXPECT_NEAR(common.low, 0.2553, 5e-5);
  EXPECT_NEAR(common.high, 0.3662, 5e-5);
  const Interval rare = wilson_interval(15, 148);
  EXPECT_NEAR(rare.low, 0.0624, 5e-5);
  EXPECT_NEAR(rare.high, 0.1605, 5e-5);
  const Interval none = wilson_interval(0, 20);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.1611, 5e-5);
}

TEST(ClopperPearsonInterval, EqualsPublishedValues) {
  const Interval common = clopper_pearson_interval(81, 263);
  EXPECT_NEAR(common.low, 0.2527, 5e-5);
  EXPECT_NEAR(common.high, 0.3676, 5e-5);
  const Interval single = clopper_pearson_interval(1, 29);
  EXPECT_NEAR(single.low, 0.0009, 5e-5);
  EXPECT_NEAR(single.high, 0.1776, 5e-5);
  EXPECT_NEAR(clopper_pearson_interval(0, 20).high, 0.1684, 5e-5);
}

TEST(WilsonInterval, CoversAtItsLevelOnAverage) {
  for (int64_t trials : {30, 100, 1000}) {
    double sum = 0;
    constexpr int kPoints = 98;
    for (int i = 1; i <= kPoints; ++i) sum += coverage_of(wilson_interval, 0.01 * i, trials);
    EXPECT_GT(sum / kPoints, 0.945) << trials;
    EXPECT_LT(sum / kPoints, 0.96) << trials;
  }
}

TEST(ClopperPearsonInterval, NeverCoversLessThanItsLevel) {
  for (double p : {0.001, 0.013, 0.1, 0.37, 0.5, 0.93}) {
    EXPECT_GE(coverage_of(clopper_pearson_interval, p, 60), 0.95) << p;
  }
}

RC_GTEST_PROP(WilsonInterval, HoldsItsValueAndLiesInsideClopperPearsonsNearTheMiddle, ()) {
  const int64_t trials = *rc::gen::inRange<int64_t>(20, 2000);
  const int64_t successes = *rc::gen::inRange<int64_t>(trials / 4, 3 * trials / 4);
  const Interval wilson = wilson_interval(successes, trials);
  const Interval exact = clopper_pearson_interval(successes, trials);
  RC_ASSERT(contains(wilson, wilson.value));
  RC_ASSERT(exact.low <= wilson.low && wilson.high <= exact.high);
}

TEST(Intervals, RefuseImpossibleCountsAndLevels) {
  EXPECT_THROW(wilson_interval(3, 2), UsageError);
  EXPECT_THROW(wilson_interval(0, 0), UsageError);
  EXPECT_THROW(clopper_pearson_interval(1, 2, 1.0), UsageError);
}

TEST(Intervals, AreApartOnlyWithoutACommonNumber) {
  const Interval low{.low = 0.1, .high = 0.2};
  EXPECT_TRUE(are_apart(low, {.low = 0.21, .high = 0.3}));
  EXPECT_FALSE(are_apart(low, {.low = 0.2, .high = 0.3}));
}

TEST(Intervals, SurviveJson) {
  const Interval interval = wilson_interval(3, 10);
  const Interval back = interval_from_json(to_json(interval), "test");
  EXPECT_EQ(back.low, interval.low);
  EXPECT_EQ(back.method, "wilson");
  EXPECT_THROW(interval_from_json({{"value", 1}}, "test"), UsageError);
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile({4, 1, 3, 2}, 1), 4);
  EXPECT_DOUBLE_EQ(quantile({10, 20, 30, 40, 50}, 0.9),
                   46);  // numpy.quantile([10,20,30,40,50], 0.9)
}

// With fixed seeds this test cannot fail by chance; over seeds, 0.95 +- 3 standard errors of 400
// trials is 0.917 to 0.983.
TEST(PercentileInterval, CoversAMeanAtItsLevel) {
  constexpr int kTrials = 400;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    RandomStream data(trial, Purpose::kToyData);
    std::vector<double> values(80);
    for (double& value : values) value = data.normal();
    const auto mean_of_draw = [&](RandomStream& stream) {
      double sum = 0;
      for (size_t i = 0; i < values.size(); ++i) sum += values[stream.below(values.size())];
      return sum / 80;
    };
    const auto replicates = bootstrap_replicates(mean_of_draw, {.num_replicates = 300, .seed = 7});
    covered += contains(percentile_interval(0, replicates, 0.95), 0);
  }
  EXPECT_GT(covered, 0.917 * kTrials);
  EXPECT_LT(covered, 0.983 * kTrials);
}

TEST(CentredInterval, PutsTheMeanOfItsReplicatesOnTheValue) {
  const Interval interval = centred_interval(10, {1, 2, 3, 4, 5}, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 9);
  EXPECT_DOUBLE_EQ(interval.high, 11);
}

TEST(Bootstrap, ReplicatesDependOnSeedAndNumberAlone) {
  const auto draw = [](RandomStream& stream) { return stream.uniform(); };
  const auto few = bootstrap_replicates(draw, {.num_replicates = 3, .seed = 5});
  const auto more = bootstrap_replicates(draw, {.num_replicates = 6, .seed = 5});
  EXPECT_EQ(few, std::vector<double>(more.begin(), more.begin() + 3));
  EXPECT_NE(few, bootstrap_replicates(draw, {.num_replicates = 3, .seed = 6}));
}

TEST(ResampleCounts, KeepsTheNumberOfDrawsAndTheEmptyGroups) {
  RandomStream stream(1, Purpose::kBootstrap);
  const auto drawn = resample_counts({50, 0, 150}, 100000, stream);
  EXPECT_EQ(drawn[0] + drawn[2], 100000);
  EXPECT_EQ(drawn[1], 0);
  EXPECT_NEAR(static_cast<double>(drawn[0]), 25000, 4 * std::sqrt(100000 * 0.25 * 0.75));
}

// 200 fixed seeds at a true coverage near 0.94: fewer than 177 in 1 of 900 choices of seeds.
TEST(MeanInterval, CoversTheMean) {
  int covered = 0;
  for (uint64_t trial = 0; trial < 200; ++trial) {
    const at::Tensor values =
        random_uniform(trial, Purpose::kToyData, at::arange(80, at::kLong), {1}).to(at::kDouble);
    const Interval interval = mean_interval(values, {.num_replicates = 200, .seed = trial});
    EXPECT_NEAR(interval.value, values.mean().item<double>(), 1e-14);
    covered += contains(interval, 0.5);
  }
  EXPECT_GE(covered, 177);
  EXPECT_LT(covered, 200);
}

TEST(MeanInterval, IsAPointForEqualValuesAndRefusesNone) {
  const Interval interval = mean_interval(at::full({5}, 2.5, at::kDouble), {});
  EXPECT_EQ(interval.low, 2.5);
  EXPECT_EQ(interval.high, 2.5);
  EXPECT_THROW(mean_interval(at::zeros({0}, at::kDouble), {}), UsageError);
}

TEST(NormalInterval, IsAsWideAsItsLevelSays) {
  const Interval interval = normal_interval(3, 0.5, 0.95, "known");
  EXPECT_NEAR(interval.high - 3, 0.5 * 1.959963984540054, 1e-12);
  EXPECT_NEAR(3 - interval.low, 0.5 * 1.959963984540054, 1e-12);
  EXPECT_EQ(interval.method, "known");
  EXPECT_THROW(normal_interval(3, 0.5, 1, "known"), UsageError);
}

TEST(QuantilesJson, InterpolatesBetweenValuesAndIsNullForNone) {
  const auto quantiles = quantiles_json(at::tensor({4.0, 0.0, 3.0, 1.0, 2.0}, at::kDouble));
  EXPECT_DOUBLE_EQ(quantiles.at("p05").get<double>(), 0.2);
  EXPECT_DOUBLE_EQ(quantiles.at("p25").get<double>(), 1);
  EXPECT_DOUBLE_EQ(quantiles.at("p50").get<double>(), 2);
  EXPECT_DOUBLE_EQ(quantiles.at("p95").get<double>(), 3.8);
  EXPECT_TRUE(quantiles_json(at::zeros({0}, at::kDouble)).is_null());
}

}  // namespace
}  // namespace equipoise::metrics
