// Which laws rejection makes, where kernels and ratios are known in closed form.
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "core/random.h"
#include "samplers/exact_kernel.h"
#include "samplers/rejection_fixture.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

using diffusion::GaussianMixture;

/// A normal law on a line.
struct Normal {
  double mean, variance;

  double log_density(double x) const {
    return -0.5 * (std::log(2 * std::numbers::pi * variance) + (x - mean) * (x - mean) / variance);
  }
  /// E f, by the trapezoidal rule.
  template <class F>
  double expectation(const F& f) const {
    constexpr int kHalf = 4000;
    const double width = 14 * std::sqrt(variance) / kHalf;
    double sum = 0;
    for (int i = -kHalf; i <= kHalf; ++i) {
      const double x = mean + i * width;
      sum += f(x) * std::exp(log_density(x));
    }
    return sum * width;
  }
};

/// The reverse kernels from x at sigma `here` to sigma `next`.
struct Kernels {
  Normal real;   ///< of N(0, 1)
  Normal model;  ///< of N(shift, 1)

  double log_ratio(double x) const { return real.log_density(x) - model.log_density(x); }
};

/// What is asked of one step.
struct Step {
  double shift, here, next, x;

  // v = 1 / (1 / (1 + sigma^2) + 1 / (sigma'^2 - sigma^2)), mean v (m / (1 + sigma^2) + x' / (sigma'^2 - sigma^2)).
  Kernels kernels() const {
    const double noised = 1 + next * next, gap = here * here - next * next;
    const double v = 1 / (1 / noised + 1 / gap);
    return {.real = {v * x / gap, v}, .model = {v * (shift / noised + x / gap), v}};
  }
};

/// The worked-out example, and one in which the laws lie far apart.
constexpr Step kWorkedOut{.shift = 0.5, .here = 2, .next = 1, .x = 1.3};
constexpr Step kFarApart{.shift = 2, .here = 2, .next = 1, .x = 1.3};

std::shared_ptr<GaussianMixture> unit_gaussian(double mean) {
  return std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({mean}));
}

std::shared_ptr<diffusion::MixtureRatio> ratio_of(const Step& step) {
  return std::make_shared<diffusion::MixtureRatio>(unit_gaussian(0), unit_gaussian(step.shift));
}

/// log q(x) / p(x) at noise level sigma, in closed form.
double log_ratio_at(double shift, double x, double sigma) {
  return (shift * shift - 2 * shift * x) / (2 * (1 + sigma * sigma));
}

// Both laws share the forward kernel, so the ratio of the reverse ones is that of the marginals
// divided by the one before; it is 1 on average.
TEST(RejectionLaw, KernelRatiosAreRisesOfTheMarginalRatio) {
  for (const Step& step :
       {kWorkedOut, kFarApart, Step{-0.7, 20, 0.3, -6}, Step{0.5, 0.3, 0, 0.1}}) {
    const Kernels kernels = step.kernels();
    const double before = log_ratio_at(step.shift, step.x, step.here);
    const auto ratio = ratio_of(step);
    const auto level = [](double sigma) { return at::full({1}, sigma, at::kDouble); };
    for (const double x : {-2.0, 0.1, 1.7}) {
      const double rise = log_ratio_at(step.shift, x, step.next) - before;
      EXPECT_NEAR(rise, kernels.log_ratio(x), 1e-11);
      const at::Tensor measured =
          ratio->log_ratio(at::full({1, 1}, x, at::kDouble), level(step.next), {}) -
          ratio->log_ratio(at::full({1, 1}, step.x, at::kDouble), level(step.here), {});
      EXPECT_NEAR(measured.item<double>(), rise, 1e-11);
    }
    EXPECT_NEAR(kernels.model.expectation([&](double x) {
      return std::exp(log_ratio_at(step.shift, x, step.next) - before);
    }),
                1, 1e-9);
  }
}

TEST(RejectionLaw, TheWorkedOutKernelsHaveTheirMoments) {
  const Kernels kernels = kWorkedOut.kernels();
  EXPECT_NEAR(kernels.model.mean, 0.82, 1e-12);
  EXPECT_NEAR(kernels.real.mean, 0.52, 1e-12);
  EXPECT_NEAR(kernels.model.variance, 1.2, 1e-12);
  const auto log_ratio = [&](double x) { return kernels.log_ratio(x); };
  const double mean = kernels.model.expectation(log_ratio);
  EXPECT_NEAR(mean, -0.0375, 1e-9);
  EXPECT_NEAR(kernels.model.expectation([&](double x) { return std::pow(log_ratio(x) - mean, 2); }),
              0.075, 1e-9);
}

constexpr int64_t kPoints = 20000;

/// A step taken and tested once with M = e^log_bound.
struct Tested {
  at::Tensor drawn;     ///< [kPoints] before the test
  at::Tensor accepted;  ///< [n] those that passed
  at::Tensor returned;  ///< [kPoints - n] where the others stand
};

Tested test_once(const Step& step, double log_bound) {
  const ExactKernel kernel({{.weight = 1, .mean = {step.shift}}}, 2);
  const at::Tensor levels = at::tensor({step.here, step.next, 0.0}, at::kDouble);
  const Rejection rejection(ratio_of(step), {.max_calls = 1000, .exact = true}, kernel,
                            flat_tables(log_bound, 2));
  Walkers walkers = walkers_at(at::full({kPoints, 1}, step.x, at::kDouble), 0);
  Trials trials = started_trials(kPoints, log_ratio_at(step.shift, step.x, step.here));
  RejectionCounts counts = no_counts(2);
  const Walkers before = walkers;
  kernel.step(diffusion::GuidedDenoiser(*unit_gaussian(0)), levels, walkers);
  Tested tested{.drawn = walkers.x.squeeze(1), .accepted = {}, .returned = {}};
  rejection.judge(levels, 0, before, walkers, trials, counts);
  const at::Tensor is_accepted = walkers.level == 1;
  EXPECT_EQ(is_accepted.sum().item<int64_t>(), counts.accepted[1]);
  EXPECT_EQ(counts.tested[1], kPoints);
  tested.accepted = walkers.x.squeeze(1).masked_select(is_accepted);
  tested.returned = walkers.x.squeeze(1).masked_select(is_accepted.logical_not());
  return tested;
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

// P(accept) = Phi((mu - log M) / s) + Phi((log M - mu - s^2) / s) / M with log ratios N(mu, s^2), 0.659863 in
// the example. False alarms: 20,000 draws, 4.5 standard errors, once in 100,000 runs each.
TEST(RejectionLaw, AcceptsAsOftenAsTheClosedFormSays) {
  const auto expected = [](const Step& step, double bound) {
    const double variance =
        std::pow(step.shift / (1 + step.next * step.next), 2) * step.kernels().model.variance;
    const double mean = -variance / 2, s = std::sqrt(variance), log_bound = std::log(bound);
    return normal_cdf((mean - log_bound) / s) * 1.0 +
           normal_cdf((log_bound - mean - variance) / s) / bound;
  };
  EXPECT_NEAR(expected(kWorkedOut, 1.5), 0.659863, 1e-6);
  struct Case {
    Step step;
    double bound;
  };
  for (const Case& c : {Case{kWorkedOut, 1.5}, Case{kFarApart, 1.2}}) {
    const Tested tested = test_once(c.step, std::log(c.bound));
    const double share = static_cast<double>(tested.accepted.size(0)) / kPoints;
    const double p = expected(c.step, c.bound);
    EXPECT_LT(p, 1 / c.bound);
    EXPECT_NEAR(share, p, 4.5 * std::sqrt(p * (1 - p) / kPoints));
    EXPECT_TRUE((tested.returned == c.step.x).all().item<bool>()) << "back where the step began";
    const Normal model = c.step.kernels().model;
    EXPECT_NEAR(tested.drawn.mean().item<double>(), model.mean,
                4.5 * std::sqrt(model.variance / kPoints));
    EXPECT_NEAR(tested.drawn.var().item<double>(), model.variance,
                4.5 * model.variance * std::sqrt(2.0 / kPoints));
  }
}

/// Pearson's statistic of points against a density (up to a factor): ten bins from low to high and
/// one on either side, 11 degrees of freedom. Above 44 once in 100,000 runs.
constexpr double kChiSquareBound = 44;
template <class Density>
double chi_square(const at::Tensor& points, double low, double high, const Density& density) {
  constexpr int kBins = 10, kParts = 200;
  const double width = (high - low) / kBins;
  const auto mass = [&](double from, double to) {
    double sum = 0;
    for (int i = 0; i < kParts; ++i) sum += density(from + (i + 0.5) / kParts * (to - from));
    return sum * (to - from) / kParts;
  };
  std::vector<double> expected{mass(low - 5 * (high - low), low)};
  for (int i = 0; i < kBins; ++i) expected.push_back(mass(low + i * width, low + (i + 1) * width));
  expected.push_back(mass(high, high + 5 * (high - low)));
  double total = 0;
  for (const double value : expected) total += value;
  const at::Tensor bins = (((points - low) / width).floor() + 1).clamp(0, kBins + 1).to(at::kLong);
  const at::Tensor counts = at::bincount(bins, {}, kBins + 2).to(at::kDouble);
  double statistic = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double mean = expected[i] / total * static_cast<double>(points.size(0));
    statistic += std::pow(counts[static_cast<int64_t>(i)].item<double>() - mean, 2) / mean;
  }
  return statistic;
}

// M below the supremum: what is accepted follows p min(1, r / M), and neither p nor r p.
TEST(RejectionLaw, ABoundBelowTheSupremumCutsTheCorrectionThere) {
  const double bound = 1.2;
  const Kernels kernels = kFarApart.kernels();
  const at::Tensor accepted = test_once(kFarApart, std::log(bound)).accepted;
  const auto statistic = [&](const auto& factor) {
    return chi_square(accepted, -2, 3, [&](double x) {
      return std::exp(kernels.model.log_density(x)) * factor(std::exp(kernels.log_ratio(x)));
    });
  };
  EXPECT_LT(statistic([&](double r) { return std::min(1.0, r / bound); }), kChiSquareBound);
  EXPECT_GT(statistic([](double r) { return r; }), 10 * kChiSquareBound) << "the test can tell";
  EXPECT_GT(statistic([](double) { return 1.0; }), 10 * kChiSquareBound) << "the test can tell";
}

/// Ratio 2 / (1 + e^(-x)), which is less than 2 and 1 on average over laws even about 0.
class LogisticRatio : public diffusion::DensityRatio {
 public:
  static double value(double x) { return 2 / (1 + std::exp(-x)); }
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    return std::log(2) - (1 + (-x.squeeze(1)).exp()).log();
  }
};

// False alarms: the acceptance within 4.5 standard errors and the statistic above, each once in
// 100,000 runs.
TEST(RejectionLaw, AcceptedPriorsFollowThePriorTimesTheRatio) {
  const auto heun = make_sampler("heun");
  RejectionTables tables = flat_tables(0);
  tables.marginal[0] = std::log(2);
  const Rejection rejection(std::make_shared<LogisticRatio>(), {}, *heun, tables);
  const double sigma = 1.5;
  const at::Tensor levels =
      at::cat({at::full({1}, sigma, at::kDouble), at::zeros({kSteps}, at::kDouble)});
  const at::Tensor latents = random_normal(2, Purpose::kLatent, at::arange(kPoints), {1});
  Walkers walkers = walkers_at(sigma * latents.to(at::kDouble), 0);
  Trials trials = new_trials(kPoints, at::kCPU);
  RejectionCounts counts = no_counts();
  rejection.start(levels, 0, walkers, trials, counts);
  EXPECT_EQ(counts.accepted[0], kPoints);
  EXPECT_TRUE(trials.is_started.all().item<bool>());
  const auto tested = static_cast<double>(counts.tested[0]);
  EXPECT_NEAR(kPoints / tested, 0.5, 4.5 * std::sqrt(0.25 / tested)) << "1/M";
  const Normal prior{.mean = 0, .variance = sigma * sigma};
  const auto statistic = [&](const auto& factor) {
    return chi_square(walkers.x.squeeze(1), -2, 4,
                      [&](double x) { return std::exp(prior.log_density(x)) * factor(x); });
  };
  EXPECT_LT(statistic(&LogisticRatio::value), kChiSquareBound);
  EXPECT_GT(statistic([](double) { return 1.0; }), 10 * kChiSquareBound) << "the test can tell";
}

// The rises of accepted steps add up to what the ratio rose by in all, redrawn steps left out.
TEST(RejectionLaw, AcceptedKernelsTelescope) {
  const double shift = 1;
  const ExactKernel kernel({{.weight = 1, .mean = {shift}}}, kSteps);
  const auto model = unit_gaussian(shift);
  const at::Tensor levels = kernel.levels(*model);
  const Rejection rejection(ratio_of({.shift = shift, .here = 0, .next = 0, .x = 0}),
                            {.max_calls = 1000000, .exact = true}, kernel, flat_tables(0.3));
  const int64_t count = 50;
  const at::Tensor latents = random_normal(2, Purpose::kLatent, at::arange(count), {1});
  Walkers walkers = walkers_at(levels[0] * latents.to(at::kDouble), 0);
  Trials trials = new_trials(count, at::kCPU);
  RejectionCounts counts = no_counts();
  rejection.start(levels, 0, walkers, trials, counts);
  const auto begin = [&](int64_t image) {
    return log_ratio_at(shift, walkers.x[image][0].item<double>(), levels[0].item<double>());
  };
  std::vector<double> sums;
  for (int64_t image = 0; image < count; ++image) sums.push_back(begin(image));
  int64_t num_redrawn = 0;
  for (int round = 0; round < 2000; ++round) {
    const at::Tensor rows = (walkers.level < kSteps).nonzero().squeeze(1);
    if (rows.size(0) == 0) break;
    walkers = pick(walkers, rows);
    trials = pick(trials, rows);
    const Walkers before = walkers;
    kernel.step(diffusion::GuidedDenoiser(*model), levels, walkers);
    rejection.judge(levels, 0, before, walkers, trials, counts);
    for (int64_t i = 0; i < walkers.size(); ++i) {
      const int64_t from = before.level[i].item<int64_t>(), to = walkers.level[i].item<int64_t>();
      num_redrawn += from == to;
      const double x = walkers.x[i][0].item<double>();
      double& sum = sums[static_cast<size_t>(walkers.seeds[i].item<int64_t>())];
      if (to > from)
        sum += Step{shift, levels[from].item<double>(), levels[to].item<double>(),
                    before.x[i][0].item<double>()}
                   .kernels()
                   .log_ratio(x);
      EXPECT_NEAR(sum, log_ratio_at(shift, x, levels[to].item<double>()), 1e-9);
      EXPECT_NEAR(sum, trials.log_ratio[i].item<double>(), 1e-9);
    }
  }
  EXPECT_EQ(counts.accepted[kSteps], count) << "all arrive";
  EXPECT_GT(num_redrawn, count) << "steps must have been rejected";
}

double upper_share(const at::Tensor& points) {
  return (points.sum(1) > 0).to(at::kDouble).mean().item<double>();
}

// Marginal ratios lie within [0.625, 2.5], those of kernels within [0.25, 4]: with M = 4 at every
// step and 2.5 at the prior the output follows the unbiased law. 4,000 images: 0.5 +- 0.036 and
// acceptances +- 5 standard errors are left once in 100,000 runs or less.
TEST(Rejection, ExactModeTurnsTheBiasedLawIntoTheUnbiasedOne) {
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  const ExactKernel kernel({{.weight = 0.8, .mean = {-2, -2}}, {.weight = 0.2, .mean = {2, 2}}},
                           kSteps);
  const auto ratio = std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased);
  RejectionTables tables = flat_tables(std::log(4));
  tables.marginal[0] = std::log(2.5);
  const Rejection rejection(ratio, {.max_calls = 1000000, .exact = true}, kernel, tables);
  const SampleResult plain = run(*laws.biased, kernel, 4000, nullptr, 512);
  EXPECT_NEAR(upper_share(plain.images), 0.2, 0.03);
  const SampleResult tested = run(*laws.biased, kernel, 4000, &rejection, 512);
  EXPECT_NEAR(upper_share(tested.images), 0.5, 0.036);
  for (size_t level = 1; level <= kSteps; ++level) {
    const auto count = static_cast<double>(tested.rejection.tested[level]);
    EXPECT_NEAR(static_cast<double>(tested.rejection.accepted[level]) / count, 0.25,
                5 * std::sqrt(0.1875 / count))
        << "with M above the supremum a step is accepted once in M times";
  }
  EXPECT_NEAR(tested.total_calls.to(at::kDouble).mean().item<double>(), 4 * kSteps, 1.5);
}

}  // namespace
}  // namespace equipoise::samplers
