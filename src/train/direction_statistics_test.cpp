#include "train/direction_statistics.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::train {
namespace {

/// [n,d] float64, standard normal.
at::Tensor normals(int64_t n, int64_t d, uint64_t seed) {
  return random_normal(seed, Purpose::kNoise, at::arange(n), {d}).to(at::kDouble);
}

/// Rows of unit length.
at::Tensor unit(const at::Tensor& rows) {
  return rows / rows.norm(2, 1, true);
}

DirectionAccumulator taken(const at::Tensor& gradients) {
  DirectionAccumulator accumulator(gradients.size(1));
  for (int64_t i = 0; i < gradients.size(0); ++i) accumulator.add(gradients[i]);
  return accumulator;
}

DirectionSummary summary_of(const at::Tensor& gradients) {
  return taken(gradients).summary();
}

TEST(MeanResultant, EqualsTheClosedFormsInTwoAndThreeDimensions) {
  for (const double kappa : {0.01, 0.5, 1.0, 5.0, 40.0, 150.0}) {
    EXPECT_NEAR(mean_resultant(2, kappa),
                std::cyl_bessel_i(1.0, kappa) / std::cyl_bessel_i(0.0, kappa), 1e-12);
    EXPECT_NEAR(mean_resultant(3, kappa), 1 / std::tanh(kappa) - 1 / kappa, 1e-12);
  }
}

TEST(MeanResultant, EqualsTheContinuedFractionTakenFarther) {
  for (const double dimension : {2.0, 7.0, 100.0, 3000.0})
    for (const double kappa : {0.3, 30.0, 900.0}) {
      double ratio = 0;
      for (int64_t j = static_cast<int64_t>(3 * kappa) + 50; j >= 0; --j)
        ratio = 1 / ((dimension + 2 * static_cast<double>(j)) / kappa + ratio);
      const double tolerance = kappa <= 100 * dimension ? 1e-12 : 1e-5;
      EXPECT_NEAR(mean_resultant(dimension, kappa), ratio, tolerance) << dimension << " " << kappa;
    }
}

TEST(MeanResultant, ItsExpansionTakesOverWithoutAJump) {
  for (const double dimension : {2.0, 5.0, 50.0}) {
    const double border = 100 * dimension;
    EXPECT_NEAR(mean_resultant(dimension, border * (1 - 1e-9)),
                mean_resultant(dimension, border * (1 + 1e-9)), 1e-5);
  }
  EXPECT_EQ(mean_resultant(5, 0), 0);
}

TEST(Concentration, AgreesWithTheTable) {
  struct Row {
    double d, kappa, resultant, moment, refined;
  };
  const std::vector<Row> rows{
      {2, 1, .44638997, 1.00386, 1.000000},          {2, 5, .89338314, 5.31900, 4.999886},
      {3, 1, .31303529, 1.00712, 1.000000},          {3, 10, .90000000, 10.37368, 9.999981},
      {3, 100, .99000000, 100.48749, 100.000000},    {10, 20, .79551907, 20.29622, 20.000000},
      {100, 50, .41506859, 50.05974, 50.000000},     {100, 500, .90579957, 500.40775, 500.000000},
      {1000, 300, .27701778, 300.01968, 300.000000}, {1e4, 1e4, .61804927, 10000.1708, 10000.0000}};
  for (const Row& row : rows) {
    const double resultant = mean_resultant(row.d, row.kappa);
    EXPECT_NEAR(resultant, row.resultant, 5e-9) << row.d << " " << row.kappa;
    EXPECT_NEAR(concentration(row.d, resultant), row.moment, 6e-6 * std::max(1.0, row.moment / 10));
    EXPECT_NEAR(refined_concentration(row.d, resultant), row.refined, 1e-6);
  }
}

TEST(Concentration, RisesWithTheResultant) {
  for (const double d : {2.0, 30.0, 1e5}) {
    double before = -1;
    for (const double r : {0.0, 1e-6, 0.1, 0.5, 0.9, 0.999999, 1 - 1e-12}) {
      EXPECT_GT(concentration(d, r), before);
      before = concentration(d, r);
    }
    EXPECT_TRUE(std::isinf(concentration(d, 1)));
  }
}

TEST(Directions, AllEqualOrAllOpposed) {
  const at::Tensor one = normals(1, 6, 1);
  const DirectionSummary equal = summary_of(one.repeat({4, 1}));
  EXPECT_NEAR(equal.resultant, 1, 1e-15);
  EXPECT_TRUE(equal.kappa > 1e12);
  const DirectionSummary opposed = summary_of(at::cat({one, -one}));
  EXPECT_EQ(opposed.resultant, 0);
  EXPECT_EQ(opposed.kappa, 0);
  EXPECT_EQ(opposed.kappa_refined, 0);
  const DirectionSummary single = summary_of(one);
  EXPECT_TRUE(std::isinf(single.kappa) || single.kappa > 1e12);
  EXPECT_TRUE(std::isnan(single.resultant_corrected));
}

TEST(Directions, LengthsChangeTheSignalsButNotKappa) {
  const at::Tensor gradients = normals(30, 8, 2) + 1;
  const at::Tensor scales = normals(30, 1, 3).exp();
  const DirectionSummary before = summary_of(gradients), after = summary_of(gradients * scales);
  EXPECT_NEAR(after.kappa, before.kappa, 1e-9 * before.kappa);
  EXPECT_GT(std::abs(after.gradient_signal / before.gradient_signal - 1), 0.01);
  EXPECT_GT(std::abs(after.norm_signal / before.norm_signal - 1), 0.01);
}

TEST(Directions, NeitherRotationNorOrderMatters) {
  const at::Tensor gradients = normals(20, 7, 4) + 0.5;
  const at::Tensor rotation = std::get<0>(at::linalg_qr(normals(7, 7, 5), "reduced"));
  const at::Tensor order = random_permutation(RandomStream(6, Purpose::kShuffle), 20);
  const DirectionSummary expected = summary_of(gradients);
  for (const at::Tensor& same : {gradients.matmul(rotation), gradients.index_select(0, order)}) {
    const DirectionSummary found = summary_of(same);
    EXPECT_NEAR(found.kappa, expected.kappa, 1e-10 * expected.kappa);
    EXPECT_NEAR(found.gradient_signal, expected.gradient_signal, 1e-10);
    EXPECT_NEAR(found.norm_signal, expected.norm_signal, 1e-9);
  }
}

TEST(Directions, StreamEqualsTwoPasses) {
  const at::Tensor gradients = normals(40, 9, 7) + 0.3;
  const DirectionSummary found = summary_of(gradients);
  const at::Tensor mean = gradients.mean(0), norms = gradients.norm(2, 1);
  const double trace = (gradients - mean).square().sum().item<double>() / 39;
  EXPECT_NEAR(found.gradient_signal / (mean.norm().item<double>() / std::sqrt(trace)), 1, 1e-12);
  EXPECT_NEAR(found.norm_signal / (norms.mean() / norms.std()).item<double>(), 1, 1e-12);
  const at::Tensor direction = unit(gradients).mean(0);
  EXPECT_NEAR(found.resultant / direction.norm().item<double>(), 1, 1e-12);
  EXPECT_NEAR(found.cosine_to_mean, at::cosine_similarity(direction, mean, 0).item<double>(),
              1e-12);
}

TEST(Directions, PartsAddUpToTheWhole) {
  const at::Tensor gradients = normals(11, 5, 8);
  DirectionAccumulator first = taken(gradients.slice(0, 0, 4));
  first.add(taken(gradients.slice(0, 4)));
  const DirectionSummary whole = summary_of(gradients), joined = first.summary();
  EXPECT_EQ(joined.num_gradients, 11);
  EXPECT_NEAR(joined.resultant, whole.resultant, 1e-15);
  EXPECT_NEAR(joined.norm_signal, whole.norm_signal, 1e-12);
}

TEST(Directions, DoublingEveryGradientLeavesKappaAndLowersTheNull) {
  const at::Tensor gradients = normals(10, 6, 9) + 0.4;
  const DirectionSummary once = summary_of(gradients), twice = summary_of(gradients.repeat({2, 1}));
  EXPECT_NEAR(twice.resultant, once.resultant, 1e-14);
  EXPECT_NEAR(twice.kappa, once.kappa, 1e-12 * once.kappa);
  EXPECT_LT(twice.kappa_null, once.kappa_null);
}

TEST(Directions, ZeroAndNonFiniteGradientsAreCountedAndLeftOut) {
  DirectionAccumulator accumulator(2);
  accumulator.add(at::zeros({2}));
  accumulator.add(at::tensor({1.0f, std::nanf("")}));
  EXPECT_TRUE(std::isnan(accumulator.summary().resultant));
  accumulator.add(at::tensor({3.0f, 4.0f}));
  EXPECT_EQ(accumulator.summary().num_skipped, 2);
  EXPECT_EQ(accumulator.summary().num_gradients, 1);
  EXPECT_THROW(accumulator.add(at::zeros({3})), UsageError);
}

// 400 repeats: a standard error of the mean of n rbar^2 is sqrt(2/d)/20 = 0.014 (chi-square with d
// degrees of freedom over d); five of them fail once in 2 million.
TEST(Directions, UniformOnesHaveTheNullsResultant) {
  constexpr int64_t kRepeats = 400, n = 10, d = 25;
  double squares = 0, corrected = 0;
  for (int64_t k = 0; k < kRepeats; ++k) {
    const at::Tensor sum = unit(normals(n, d, 100 + static_cast<uint64_t>(k))).sum(0);
    const double square = sum.square().sum().item<double>() / (n * n);
    squares += n * square / kRepeats;
    corrected += (n * square - 1) / (n - 1) / kRepeats;
  }
  EXPECT_NEAR(squares, 1, 0.07);
  EXPECT_NEAR(corrected, 0, 0.07 / (n - 1));
  for (const auto& [dimension, num, kappa] :
       {std::tuple{100.0, 50.0, 14.43}, {1000.0, 100.0, 101.0}, {1e5, 100.0, 10101.0}})
    EXPECT_NEAR(concentration(dimension, 1 / std::sqrt(num)), kappa, 5e-4 * kappa);
  EXPECT_NEAR(summary_of(normals(50, 100, 10)).kappa_null, 14.428, 1e-3);
}

/// Von Mises-Fisher directions about the first axis, by Wood's rejection from a beta law.
at::Tensor von_mises_fisher(int64_t n, int64_t d, double kappa, uint64_t seed) {
  const double m = static_cast<double>(d - 1);
  const double b = (-2 * kappa + std::sqrt(4 * kappa * kappa + m * m)) / m;
  const double x0 = (1 - b) / (1 + b), c = kappa * x0 + m * std::log(1 - x0 * x0);
  RandomStream stream(seed, Purpose::kToyData);
  const auto half_chi = [&] {  // gamma((d-1)/2), as a sum of d - 1 squares
    double sum = 0;
    for (int64_t k = 0; k < d - 1; ++k) {
      const double z = stream.normal();
      sum += z * z;
    }
    return sum;
  };
  at::Tensor rows = normals(n, d, seed + 1);
  rows.select(1, 0).zero_();
  rows = unit(rows);
  for (int64_t i = 0; i < n; ++i) {
    double w = 0;
    do {
      const double first = half_chi(), second = half_chi(), z = first / (first + second);
      w = (1 - (1 + b) * z) / (1 - (1 - b) * z);
    } while (kappa * w + m * std::log(1 - x0 * w) - c < std::log(stream.uniform()));
    rows[i] *= std::sqrt(1 - w * w);
    rows[i][0] = w;
  }
  return rows;
}

// The estimate's standard error is 1 / sqrt(n A'(kappa)); five of them fail once in 2 million.
TEST(Directions, RefinedEstimateRecoversTheConcentrationOfSamples) {
  constexpr int64_t n = 2000;
  for (const auto& [d, kappa] : {std::pair<int64_t, double>{3, 5}, {10, 20}}) {
    const double a = mean_resultant(static_cast<double>(d), kappa);
    const double slope = 1 - a * a - static_cast<double>(d - 1) * a / kappa;
    const DirectionSummary found = summary_of(von_mises_fisher(n, d, kappa, 11));
    EXPECT_NEAR(found.kappa_refined, kappa, 5 / std::sqrt(n * slope)) << d;
  }
}

// GS^2 = 1.4108 in a long simulation; its standard error at n = 3000, from repeats, is 0.04.
TEST(Directions, SignalsAreTiedTogetherWhenLengthAndDirectionAreIndependent) {
  const at::Tensor directions = von_mises_fisher(3000, 3, 5, 12);
  const DirectionSummary found = summary_of(directions * (0.3 * normals(3000, 1, 13)).exp());
  const double r2 = found.resultant * found.resultant, gns2 = found.norm_signal * found.norm_signal,
               gs2 = found.gradient_signal * found.gradient_signal;
  EXPECT_NEAR(gs2, r2 / (1 + 1 / gns2 - r2), 0.02);
  EXPECT_NEAR(gs2, 1.41, 0.2);
}

// rho = m / sqrt(m^2 + s^2 d) and GS = m / (s sqrt d); standard errors at n = 400 below 1 %.
TEST(Directions, FollowTheSignalOfAGaussianModel) {
  struct Row {
    double m, rho, signal;
  };
  for (const auto& [m, rho, signal] :
       {Row{10, .30151134, .31622777}, {50, .84515425, 1.58113883}}) {
    at::Tensor gradients = normals(400, 1000, 14);
    gradients.select(1, 0).add_(m);
    const DirectionSummary found = summary_of(gradients);
    EXPECT_NEAR(found.resultant_corrected, rho, 0.05 * rho);
    EXPECT_NEAR(found.gradient_signal, signal, 0.05 * signal);
  }
}

/// Gradients w - p_i of |w - p_i|^2 / 2.
at::Tensor quadratic_gradients(const at::Tensor& w, const at::Tensor& centres) {
  return w - centres;
}

TEST(Directions, OfCentredQuadraticsAgreeWithTheTable) {
  const at::Tensor axes = at::eye(5, at::kDouble), centres = at::cat({axes, -axes});
  const std::vector<std::array<double, 3>> rows{
      {.01, .0079999997, .0400020}, {.1, .0799971, .4020467}, {.5, .3929951, 2.2521064},
      {1, .6881910, 5.9176731},     {2, .9028799, 20.444908}, {5, .9840147, 125.09120},
      {20, .9990000, 2000.006}};
  for (const auto& [s, resultant, kappa] : rows) {
    const DirectionSummary found =
        summary_of(quadratic_gradients(at::full({5}, s / std::sqrt(5.0), at::kDouble), centres));
    EXPECT_NEAR(found.resultant, resultant, 6e-8);
    EXPECT_NEAR(found.kappa, kappa, 6e-7 * std::max(1.0, kappa * kappa));
  }
  EXPECT_NEAR(summary_of(-centres).resultant, 0, 1e-15);
}

TEST(Directions, KappaFallsAtEveryStepTowardsTheCentre) {
  at::Tensor centres = normals(50, 20, 15);
  centres -= centres.mean(0);
  at::Tensor w = at::full({20}, 5.0, at::kDouble);
  double before = std::numeric_limits<double>::infinity();
  for (int step = 0; step < 12; ++step) {
    const at::Tensor gradients = quadratic_gradients(w, centres);
    const double kappa = summary_of(gradients).kappa;
    EXPECT_LT(kappa, before) << step;
    before = kappa;
    w = w - 0.5 * gradients.mean(0);
  }
}

}  // namespace
}  // namespace equipoise::train
