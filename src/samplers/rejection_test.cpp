#include "samplers/rejection.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "samplers/exact_kernel.h"
#include "samplers/sample_images.h"
#include "samplers/steps.h"

namespace equipoise::samplers {
namespace {

using diffusion::GaussianMixture;

constexpr int64_t kSteps = 8;

/// log ratio = a number, wherever.
class ConstantRatio : public diffusion::DensityRatio {
 public:
  explicit ConstantRatio(double value) : value_(value) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    return at::full({x.size(0)}, value_, at::kDouble);
  }

 private:
  double value_;
};

std::unique_ptr<Sampler> make_sampler(const std::string& name, int64_t steps = kSteps) {
  return SamplerRegistry::instance().find(name).make.make({{"steps", steps}});
}

RejectionTables flat_tables(double log_bound, int64_t steps = kSteps) {
  const std::vector<double> values(static_cast<size_t>(steps) + 1, log_bound);
  return {.marginal = values, .transition = values};
}

SampleResult run(const diffusion::Denoiser& denoiser, const Sampler& sampler, int64_t count,
                 const Rejection* rejection, int64_t batch_size = 64) {
  Progress progress;
  return sample_images(denoiser, sampler,
                       {.seeds = at::arange(count), .item_shape = {2}, .seed_base = 5},
                       {.batch_size = batch_size}, progress, {}, rejection);
}

TEST(Rejection, RatioOneChangesNothing) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const Rejection rejection(std::make_shared<ConstantRatio>(0), {}, *heun, flat_tables(0));
  const SampleResult plain = run(*law, *heun, 100, nullptr);
  const SampleResult tested = run(*law, *heun, 100, &rejection);
  EXPECT_TRUE(at::equal(tested.images, plain.images));
  EXPECT_TRUE(at::equal(tested.total_calls, at::full({100}, 2 * kSteps - 1, at::kLong)));
  EXPECT_EQ(tested.rejection.accepted, tested.rejection.tested);
}

// c < 0: only the prior test rejects, with acceptance e^c; steps are accepted and cost the same.
// False alarms: e^c within 4.5 standard errors, once in 100,000 runs.
TEST(Rejection, ALowConstantRatioOnlyRedrawsPriors) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const double c = std::log(0.4);
  const Rejection rejection(std::make_shared<ConstantRatio>(c), {}, *heun, flat_tables(0));
  const SampleResult result = run(*law, *heun, 2000, &rejection);
  EXPECT_TRUE(at::equal(result.total_calls, at::full({2000}, 2 * kSteps - 1, at::kLong)));
  const auto tested = static_cast<double>(result.rejection.tested[0]);
  EXPECT_NEAR(static_cast<double>(result.rejection.accepted[0]) / tested, 0.4,
              4.5 * std::sqrt(0.24 / tested));
  for (size_t level = 1; level <= kSteps; ++level)
    EXPECT_EQ(result.rejection.accepted[level], result.rejection.tested[level]);
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

// 1-D N(0,1) against N(0.5,1), sigma' = 2 to sigma = 1 from x' = 1.3: log ratios of the kernel are
// N(-0.0375, 0.075), and with M = 1.5 a step is accepted with probability 0.659863.
TEST(Rejection, AcceptsAsOftenAsTheClosedFormSays) {
  class OneStep : public Sampler {
   public:
    int64_t num_steps() const override { return 1; }
    at::Tensor levels(const diffusion::Denoiser&) const override {
      return at::tensor({2.0, 1.0}, at::kDouble);
    }
    bool is_stochastic() const override { return true; }
    void step(const diffusion::GuidedDenoiser&, const at::Tensor&,
              Walkers& walkers) const override {
      arrive(walkers, 0.82 + std::sqrt(1.2) * step_noise(walkers));
    }
  } const sampler;
  const auto real = std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({0}));
  const auto model = std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({0.5}));
  RejectionTables tables = flat_tables(std::log(1.5), 1);
  tables.marginal[0] = -100;
  const Rejection rejection(std::make_shared<diffusion::MixtureRatio>(real, model),
                            {.max_calls = 1000000, .exact = true}, sampler, tables);
  Progress progress;
  const SampleRequest request{.seeds = at::arange(20000),
                              .item_shape = {1},
                              .seed_base = 1,
                              .latents = at::full({20000, 1}, 0.65)};
  const SampleResult result =
      sample_images(*model, sampler, request, {.batch_size = 4096}, progress, {}, &rejection);
  const auto tested = static_cast<double>(result.rejection.tested[1]);
  // 4.5 standard errors: once in 100,000 runs.
  EXPECT_NEAR(static_cast<double>(result.rejection.accepted[1]) / tested, 0.659863,
              4.5 * std::sqrt(0.2244 / tested));
}

TEST(Rejection, WhatIsSentBackHasTheVarianceOfTheLevelItStandsAt) {
  const auto real = std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({0}));
  const auto euler = make_sampler("euler");
  const at::Tensor levels = euler->levels(*real);
  // Rejects everything at the third level and nothing else.
  RejectionTables tables = flat_tables(-1000);
  tables.transition[3] = 1000;
  const Rejection rejection(std::make_shared<ConstantRatio>(0), {.max_calls = 1000}, *euler,
                            tables);
  const at::Tensor zeros = at::zeros({20000}, at::kLong);
  Walkers walkers{.x = random_normal(3, Purpose::kToyData, at::arange(20000), {1}).to(at::kDouble) *
                       (1 + levels[3].square()).sqrt(),
                  .level = zeros + 3,
                  .num_taken = zeros + 3,
                  .seeds = at::arange(20000),
                  .seed_base = 2};
  Walkers before = walkers;
  before.level = zeros + 2;
  Trials trials = new_trials(20000, at::kCPU);
  trials.is_started = trials.is_started.logical_not();
  RejectionCounts counts;
  counts.tested.resize(kSteps + 1);
  counts.accepted.resize(kSteps + 1);
  rejection.judge(levels, 0, before, walkers, trials, counts);
  EXPECT_TRUE(at::equal(walkers.level, zeros + 2));
  const double expected = 1 + levels[2].square().item<double>();
  // 20,000 draws: the standard error of a variance is 1 % of it.
  EXPECT_NEAR(walkers.x.square().mean().item<double>() / expected, 1, 0.045);
  EXPECT_EQ(counts.accepted[2], 20000) << "tested anew where it stands";
}

/// Ratios far from 1, so that much is rejected.
std::shared_ptr<diffusion::MixtureRatio> strict_ratio() {
  return std::make_shared<diffusion::MixtureRatio>(
      std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({2, 2})),
      diffusion::two_mode_laws().biased);
}

TEST(Rejection, NoAttemptExceedsItsBudget) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const int64_t least = heun->num_function_evaluations();
  const Rejection tight(strict_ratio(), {.max_calls = least}, *heun, flat_tables(0.5));
  const SampleResult result = run(*law, *heun, 60, &tight);
  EXPECT_TRUE(at::equal(result.last_calls, at::full({60}, least, at::kLong)))
      << "whoever was sent back once had to start anew";
  EXPECT_GT(result.rejection.num_restarts, 0);
  EXPECT_GT(result.total_calls.sum().item<int64_t>(), result.last_calls.sum().item<int64_t>());
  const Rejection loose(strict_ratio(), {.max_calls = 3 * least}, *heun, flat_tables(0.5));
  EXPECT_LE(run(*law, *heun, 60, &loose).last_calls.max().item<int64_t>(), 3 * least);
}

TEST(Rejection, AnImageBelongsToItsSeedWhateverTheBatch) {
  const auto law = diffusion::two_mode_laws().biased;
  for (const char* name : {"heun", "dpmpp_2m", "euler_ancestral"}) {
    const auto sampler = make_sampler(name);
    const Rejection rejection(strict_ratio(), {}, *sampler, flat_tables(0.3));
    const SampleResult alone = run(*law, *sampler, 50, &rejection, 1);
    const SampleResult together = run(*law, *sampler, 50, &rejection, 48);
    EXPECT_TRUE(at::equal(alone.images, together.images)) << name;
    EXPECT_TRUE(at::equal(alone.total_calls, together.total_calls)) << name;
  }
}

TEST(Rejection, PlacesStayTakenUntilTheLastRefill) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const Rejection rejection(strict_ratio(), {}, *heun, flat_tables(0.3));
  EXPECT_GE(run(*law, *heun, 300, &rejection, 32).occupancy, 0.95);
}

TEST(Rejection, HigherPercentilesRejectMore) {
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  const auto heun = make_sampler("heun");
  const auto ratio = std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased);
  Progress progress;
  const SampleRequest request{.seeds = at::arange(1), .item_shape = {2}, .seed_base = 5};
  std::vector<double> constants_before(kSteps + 1, 0.0);
  double calls_before = 0;
  for (const double percentile : {0.0, 0.5, 0.9}) {
    const RejectionConfig config{.percentile = percentile, .warmup_images = 400};
    const RejectionTables tables =
        measure_rejection_tables(*laws.biased, *heun, *ratio, config, request, {}, progress);
    for (size_t level = 0; level <= kSteps; ++level) {
      EXPECT_GE(tables.transition[level], constants_before[level]);
      EXPECT_GE(tables.marginal[level], 0);
    }
    constants_before = tables.transition;
    const Rejection rejection(ratio, config, *heun, tables);
    const SampleResult result = run(*laws.biased, *heun, 300, &rejection);
    const double calls = result.total_calls.to(at::kDouble).mean().item<double>();
    EXPECT_GE(calls, calls_before);
    calls_before = calls;
  }
  EXPECT_GT(calls_before, 2 * kSteps - 1);
}

TEST(RejectionTables, AreInterpolatedQuantilesAtLeastZero) {
  const std::vector<std::vector<double>> noted{{-4, -2, -1}, {0, 1, 2, 10}};
  const std::vector<double> constants = rejection_constants(noted, {.percentile = 0.5});
  EXPECT_EQ(constants, (std::vector<double>{0, 1.5}));
  EXPECT_EQ(rejection_constants(noted, {.percentile = 0.25, .allow_below_one = true}),
            (std::vector<double>{-3, 0.75}));
}

TEST(RejectionTables, SavedAndReadBackDecideTheSame) {
  const RejectionTables tables = flat_tables(0.1 + 0.2);
  const RejectionTables again =
      tables_from_json(nlohmann::json::parse(to_json(tables).dump()), "tables");
  EXPECT_EQ(again.marginal, tables.marginal);
  EXPECT_EQ(again.transition, tables.transition);
  EXPECT_THROW(tables_from_json({{"marginal", 3}}, "tables"), DataError);
}

TEST(Rejection, RefusesWhatCannotWork) {
  const auto heun = make_sampler("heun");
  const auto ratio = std::make_shared<ConstantRatio>(0);
  EXPECT_THROW(Rejection(ratio, {.max_calls = 5}, *heun, flat_tables(0)), UsageError);
  EXPECT_THROW(Rejection(ratio, {.exact = true}, *heun, flat_tables(0)), UsageError);
  EXPECT_THROW(Rejection(ratio, {.last_level = kSteps + 1}, *heun, flat_tables(0)), UsageError);
  EXPECT_THROW(Rejection(ratio, {}, *heun, flat_tables(0, kSteps + 1)), UsageError);
}

TEST(Rejection, GivesUpOnWhatIsNeverAccepted) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const Rejection rejection(std::make_shared<ConstantRatio>(-50), {}, *heun, flat_tables(0));
  EXPECT_THROW(run(*law, *heun, 2, &rejection), NumericError);
}

}  // namespace
}  // namespace equipoise::samplers
