#include "metrics/share_distances.h"

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/error.h"
#include "metrics/count_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

constexpr ShareDistance kHellinger{.between = hellinger_distance, .largest = 1};
constexpr ShareDistance kKl{.between = kl_divergence, .needs_positive_target = true};
constexpr ShareDistance kChiSquare{.between = chi_square_divergence, .needs_positive_target = true};

const std::vector<double> kTenths(10, 0.1);

TEST(ShareDistances, EqualTheirFormulasOnTwoGroups) {
  const std::vector<double> p = {0.25, 0.75}, q = {0.5, 0.5};
  EXPECT_NEAR(kl_divergence(p, q), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-15);
  EXPECT_NEAR(chi_square_divergence(p, q), 0.25, 1e-15);
  // 1 - sum sqrt(p q) under the root.
  EXPECT_NEAR(hellinger_distance(p, q), std::sqrt(1 - std::sqrt(0.125) - std::sqrt(0.375)), 1e-15);
}

TEST(ShareDistances, KnowTheirEnds) {
  EXPECT_EQ(hellinger_distance({1, 0}, {0, 1}), 1);
  EXPECT_NEAR(kl_divergence({1, 0}, {0.5, 0.5}), std::log(2), 1e-15);
  EXPECT_EQ(chi_square_divergence({1, 0}, {0.5, 0.5}), 1);
  EXPECT_TRUE(std::isinf(kl_divergence({0.5, 0.5}, {1, 0})));
  EXPECT_EQ(kl_divergence({1, 0}, {1, 0}), 0);
  EXPECT_EQ(chi_square_divergence({1, 0}, {1, 0}), 0);
}

/// Le Cam; Pinsker; Gibbs & Su 2002 (arXiv:math/0209021).
RC_GTEST_PROP(ShareDistances, KeepTheKnownInequalities, ()) {
  const auto shares = [] {
    return to_shares(*rc::gen::container<Counts>(5, rc::gen::inRange<int64_t>(1, 100)));
  };
  const auto p = shares(), q = shares();
  double variation = 0;
  for (size_t g = 0; g < p.size(); ++g) variation += std::abs(p[g] - q[g]) / 2;
  const double hellinger = hellinger_distance(p, q), kl = kl_divergence(p, q),
               chi_square = chi_square_divergence(p, q);
  RC_ASSERT(hellinger * hellinger <= variation + 1e-12);
  RC_ASSERT(variation <= hellinger * std::sqrt(2.0) + 1e-12);
  RC_ASSERT(variation <= std::sqrt(kl / 2) + 1e-12);
  RC_ASSERT(2 * hellinger * hellinger <= kl + 1e-12);
  RC_ASSERT(kl <= std::log1p(chi_square) + 1e-12);
}

TEST(MeasureDistance, FloorsEqualTheirLimitsUnderTheTarget) {
  // n chi^2, 2 n KL and 8 n Hellinger^2 tend to a chi-square of 9 degrees. The bounds are 4.5
  // standard deviations of a mean of 1,000 draws; at n = 2,000 the limits are off by a tenth of one.
  const Counts counts(10, 200);
  const double n = 2000;
  EXPECT_NEAR(measure_distance(kChiSquare, counts, kTenths).floor * n, 9, 0.6);
  EXPECT_NEAR(measure_distance(kKl, counts, kTenths).floor * n * 2, 9, 0.6);
  const double root = measure_distance(kHellinger, counts, kTenths).floor;
  // Mean of a chi of 9 degrees: sqrt(2) Gamma(5) / Gamma(4.5).
  EXPECT_NEAR(root * std::sqrt(8 * n), std::sqrt(2.0) * std::tgamma(5) / std::tgamma(4.5), 0.1);
}

// Fixed seeds. Over seeds, 100 trials at a true coverage of 0.95 fall below 86 in about 1 of 7,000
// cases.
TEST(MeasureDistance, CoversATrueDistanceFarFromTheFloor) {
  const Counts law = {2, 2, 2, 14, 14, 14, 14, 14, 14, 10};
  for (const ShareDistance& distance : {kHellinger, kKl, kChiSquare}) {
    const double truth = distance.between(to_shares(law), kTenths);
    int covered = 0;
    for (int trial = 0; trial < 100; ++trial) {
      const auto measured = measure_distance(distance, draw_counts(law, 300, trial), kTenths,
                                             {.num_replicates = 150, .seed = 3});
      covered += contains(measured.interval, truth);
    }
    EXPECT_GE(covered, 86);
  }
}

TEST(MeasureDistance, ReachesDownToZeroForSamplesOfTheTarget) {
  for (const ShareDistance& distance : {kHellinger, kKl, kChiSquare}) {
    const auto measured = measure_distance(distance, {96, 104, 101, 99}, {0.25, 0.25, 0.25, 0.25});
    EXPECT_EQ(measured.interval.low, 0);
    EXPECT_GT(measured.interval.high, measured.interval.value);
  }
}

TEST(MeasureCorrectedDistance, TakesOutTheClassifiersErrors) {
  // True shares (0.9, 0.1) seen through a classifier that errs on 1 in 5: predictions (0.74, 0.26).
  const ConfusionMatrix confusion = {{8000, 2000}, {2000, 8000}};
  for (const ShareDistance& distance : {kHellinger, kKl, kChiSquare})
    EXPECT_NEAR(measure_corrected_distance(distance, {7400, 2600}, confusion, {0.5, 0.5},
                                           {.num_replicates = 20})
                    .interval.value,
                distance.between({0.9, 0.1}, {0.5, 0.5}), 1e-6);
}

TEST(MeasureDistance, RefusesATargetOfZeroWhereItWouldBeInfinite) {
  EXPECT_NO_THROW(measure_distance(kHellinger, {1, 2}, {1, 0}, {.num_replicates = 5}));
  EXPECT_THROW(measure_distance(kKl, {1, 2}, {1, 0}), UsageError);
  EXPECT_THROW(measure_distance(kChiSquare, {1, 2}, {1, 0}), UsageError);
  EXPECT_THROW(measure_distance(kHellinger, {1, 2}, {0.5, 0.4}), UsageError);
}

TEST(ShareDistancesMetric, NamesWhatATargetOfZeroLeavesUndefined) {
  MetricInput input;
  input.counts = {3, 5};
  input.group_names = {"a", "b"};
  input.target = {0, 1};
  const auto json = MetricRegistry::instance()
                        .find("share_distances")
                        .make.make({{"bootstrap", 50}})
                        ->measure(input);
  EXPECT_TRUE(json.contains("hellinger"));
  EXPECT_FALSE(json.contains("kl"));
  EXPECT_EQ(json.at("undefined"), (nlohmann::ordered_json{"kl", "chi_square"}));
}

}  // namespace
}  // namespace equipoise::metrics
