#include "samplers/rejection.h"

#include <atomic>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "samplers/rejection_fixture.h"

namespace equipoise::samplers {
namespace {

using diffusion::GaussianMixture;

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

// A constant ratio c makes constants A = max(0, c), T = 0, with which every test accepts if c >= 0.
TEST(Rejection, AHighConstantRatioIsMeasuredAndChangesNothing) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  Progress progress;
  const SampleRequest request{.seeds = at::arange(1), .item_shape = {2}, .seed_base = 5};
  const RejectionConfig config{.warmup_images = 40};
  for (const double c : {0.7, 0.0, -0.7}) {
    const auto ratio = std::make_shared<ConstantRatio>(c);
    const RejectionTables tables =
        measure_rejection_tables(*law, *heun, *ratio, config, request, {}, progress);
    EXPECT_EQ(tables.marginal, std::vector<double>(kSteps + 1, std::max(0.0, c)));
    EXPECT_EQ(tables.transition, std::vector<double>(kSteps + 1, 0.0));
    if (c < 0) continue;
    const Rejection rejection(ratio, config, *heun, tables);
    const SampleResult tested = run(*law, *heun, 100, &rejection);
    EXPECT_TRUE(at::equal(tested.images, run(*law, *heun, 100, nullptr).images)) << c;
    EXPECT_TRUE(at::equal(tested.total_calls, at::full({100}, 2 * kSteps - 1, at::kLong))) << c;
    EXPECT_EQ(tested.rejection.accepted, tested.rejection.tested) << c;
  }
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

TEST(Rejection, WhatIsSentBackHasTheVarianceOfTheLevelItStandsAt) {
  const auto real = std::make_shared<GaussianMixture>(diffusion::isotropic_gaussian({0}));
  const auto euler = make_sampler("euler");
  const at::Tensor levels = euler->levels(*real);
  // Rejects everything at the third level and nothing else.
  RejectionTables tables = flat_tables(-1000);
  tables.transition[3] = 1000;
  const Rejection rejection(std::make_shared<ConstantRatio>(0), {.max_calls = 1000}, *euler,
                            tables);
  Walkers walkers =
      walkers_at(random_normal(3, Purpose::kToyData, at::arange(20000), {1}).to(at::kDouble) *
                     (1 + levels[3].square()).sqrt(),
                 3);
  const Walkers before = walkers_at(walkers.x, 2);
  Trials trials = started_trials(20000, 0);
  RejectionCounts counts = no_counts();
  rejection.judge(levels, 0, before, walkers, trials, counts);
  EXPECT_TRUE((walkers.level == 2).all().item<bool>());
  const double expected = 1 + levels[2].square().item<double>();
  // 20,000 draws: the standard error of a variance is 1 % of it.
  EXPECT_NEAR(walkers.x.square().mean().item<double>() / expected, 1, 0.045);
  EXPECT_EQ(counts.accepted[2], 20000) << "tested anew where it stands";
}

/// The priors of images 0 … count - 1 on the plane; part 0 = the first, 1 = the one after a rejection.
at::Tensor latents(uint64_t seed_base, int64_t count, uint32_t part = 0) {
  return random_normal(seed_base, Purpose::kLatent, at::arange(count), {2}, part).to(at::kDouble);
}

/// Numbers of a test from level 2 to 3 in which every wrong reading decides otherwise: margins are
/// 100 or more, so uniforms do not matter.
struct Reading {
  const char* what;
  double last_ratio;  ///< at level 2, accepted
  double step_3, marginal_3;
  double step_2, marginal_2;
  int64_t level;  ///< where the image ends
};

TEST(Rejection, StepsAreTestedAgainstTheLastPlaceAndReturnedImagesAreNot) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto euler = make_sampler("euler");
  const at::Tensor levels = euler->levels(*law);
  const std::vector<double> ratios{1, 2, 3, 4, 5, 6, 7, 8, 9};
  const auto ratio = std::make_shared<LevelRatio>(levels, ratios);
  for (const Reading& c :
       {Reading{"a step is accepted by T + l', whatever A", -200, 100, 300, 0, 0, 3},
        Reading{"a step is rejected by T + l', whatever A; then A alone accepts", 200, -80, -400,
                120, -150, 2},
        Reading{"once back, A alone rejects", -200, 350, -400, -150, 150, 1}}) {
    SCOPED_TRACE(c.what);
    RejectionTables tables = flat_tables(-1000);
    tables.transition[3] = c.step_3;
    tables.marginal[3] = c.marginal_3;
    tables.transition[2] = c.step_2;
    tables.marginal[2] = c.marginal_2;
    const Rejection rejection(ratio, {.max_calls = 1000}, *euler, tables);
    const Walkers before = walkers_at(at::zeros({4, 2}, at::kDouble), 2);
    Walkers walkers = walkers_at(at::zeros({4, 2}, at::kDouble), 3);
    Trials trials = started_trials(4, c.last_ratio);
    RejectionCounts counts = no_counts();
    rejection.judge(levels, 0, before, walkers, trials, counts);
    EXPECT_TRUE((walkers.level == c.level).all().item<bool>()) << walkers.level;
    EXPECT_TRUE((trials.log_ratio == ratios[static_cast<size_t>(c.level)]).all().item<bool>())
        << "kept: the ratio where the image was accepted, not where it was rejected\n"
        << trials.log_ratio;
  }
}

TEST(Rejection, AnImageStartedAnewForgetsItsLastRatio) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto euler = make_sampler("euler");
  const at::Tensor levels = euler->levels(*law);
  // Rejected at level 3 with no calls left to go on from level 2.
  RejectionTables tables = flat_tables(-1000);
  tables.transition[3] = 1000;
  const Rejection rejection(std::make_shared<LevelRatio>(levels, std::vector<double>(9, 5)),
                            {.max_calls = kSteps}, *euler, tables);
  const Walkers before = walkers_at(at::zeros({3, 2}, at::kDouble), 2);
  Walkers walkers = walkers_at(at::zeros({3, 2}, at::kDouble), 3);
  Trials trials = started_trials(3, -77);
  trials.calls = trials.calls + 2;
  RejectionCounts counts = no_counts();
  rejection.judge(levels, 0, before, walkers, trials, counts);
  EXPECT_EQ(counts.num_restarts, 3);
  EXPECT_EQ(walkers.level.max().item<int64_t>(), 0);
  EXPECT_FALSE(trials.is_started.any().item<bool>());
  EXPECT_TRUE(at::equal(walkers.x, levels[0] * latents(2, 3, 1)));
  rejection.start(levels, 0, walkers, trials, counts);
  EXPECT_TRUE((trials.log_ratio == 5).all().item<bool>());
  EXPECT_EQ(trials.calls.max().item<int64_t>(), 0);
  EXPECT_TRUE((trials.total_calls == 1).all().item<bool>());
}

/// Steps images to the end, `look` at each step with where they stood and where they stand. False
/// when they do not arrive.
template <class Look>
bool walk(const Sampler& sampler, const Rejection& rejection, const diffusion::Denoiser& law,
          Walkers& walkers, Trials& trials, RejectionCounts& counts, const Look& look) {
  const at::Tensor levels = sampler.levels(law);
  for (int round = 0; round < 3000; ++round) {
    const at::Tensor rows = (walkers.level < sampler.num_steps()).nonzero().squeeze(1);
    if (rows.size(0) == 0) return true;
    walkers = pick(walkers, rows);
    trials = pick(trials, rows);
    rejection.start(levels, 0, walkers, trials, counts);
    const Walkers before = walkers;
    sampler.step(law, levels, walkers);
    rejection.judge(levels, 0, before, walkers, trials, counts);
    look(before);
  }
  return false;
}

TEST(Rejection, ImagesGoBackByWholeStridesAndNeverBelowThePrior) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  constexpr int64_t kStride = 3;
  const Rejection rejection(strict_ratio(), {.max_calls = 1000000, .back_steps = kStride}, *heun,
                            flat_tables(0.3));
  Walkers walkers = walkers_at(heun->levels(*law)[0] * latents(5, 60), 0);
  Trials trials = new_trials(60, at::kCPU);
  RejectionCounts counts = no_counts();
  std::vector<bool> was_seen(kSteps + 1, false);
  int64_t num_back_at_prior = 0, fresh_priors = 0;
  EXPECT_TRUE(walk(*heun, rejection, *law, walkers, trials, counts, [&](const Walkers& before) {
    for (int64_t i = 0; i < walkers.size(); ++i) {
      const int64_t from = before.level[i].item<int64_t>(), to = walkers.level[i].item<int64_t>();
      ASSERT_GE(to, 0);
      ASSERT_LE(to, kSteps);
      was_seen[static_cast<size_t>(to)] = true;
      EXPECT_TRUE(to == 0 || (from + 1 - to) % kStride == 0) << from << " to " << to;
      const bool is_done = to == kSteps;
      EXPECT_EQ(trials.is_started[i].item<bool>(), to > 0 || is_done);
      num_back_at_prior += to == 0;
      if (is_done) fresh_priors += trials.num_starts[i].item<int64_t>() - 1;
    }
  }));
  EXPECT_GT(num_back_at_prior, 0);
  EXPECT_GT(counts.tested[0], 60 + num_back_at_prior) << "some priors were redrawn";
  EXPECT_EQ(fresh_priors, counts.tested[0] - counts.accepted[0])
      << "a fresh prior for every one that was rejected, and none else";
  EXPECT_EQ(counts.accepted[0], 60 + num_back_at_prior);
  for (size_t level = 0; level <= kSteps; ++level) EXPECT_TRUE(was_seen[level]) << level;
}

TEST(Rejection, TestsOnlyTheLevelsItIsTold) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const at::Tensor levels = heun->levels(*law);
  const auto ratio = strict_ratio();
  for (const int64_t stride : {1, 3}) {
    const Rejection rejection(
        ratio, {.max_calls = 1000000, .back_steps = stride, .first_level = 2, .last_level = 6},
        *heun, flat_tables(0.3));
    Walkers walkers = walkers_at(levels[0] * latents(5, 60), 0);
    Trials trials = new_trials(60, at::kCPU);
    RejectionCounts counts = no_counts();
    int64_t num_below_first = 0;
    EXPECT_TRUE(walk(*heun, rejection, *law, walkers, trials, counts, [&](const Walkers& before) {
      const at::Tensor is_back = walkers.level <= before.level;
      num_below_first += is_back.logical_and(walkers.level < 2).sum().item<int64_t>();
      EXPECT_EQ(trials.num_starts.max().item<int64_t>(), 1) << "no prior is ever drawn";
      const at::Tensor rows =
          trials.is_started.logical_and(walkers.level <= 6).nonzero().squeeze(1);
      const at::Tensor expected =
          ratio->log_ratio(walkers.x, levels.index_select(0, walkers.level));
      EXPECT_TRUE(at::allclose(trials.log_ratio.index_select(0, rows),
                               expected.index_select(0, rows), 0, 1e-12))
          << "steps are compared with the place they start from";
    }));
    EXPECT_EQ(num_below_first > 0, stride > 1);
    for (const size_t level : {0, 1, 2, 7, 8}) EXPECT_EQ(counts.tested[level], 0) << level;
    for (size_t level = 3; level <= 6; ++level) {
      EXPECT_GE(counts.tested[level], 60) << level;
      EXPECT_LT(counts.accepted[level], counts.tested[level]) << level;
    }
  }
}

TEST(Rejection, ARedrawnStepLeavesTheMemoryItBeganWith) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto sampler =
      SamplerRegistry::instance().find("dpmpp_2m").make.make({{"steps", kSteps}, {"eta", 1}});
  const at::Tensor levels = sampler->levels(*law);
  RejectionTables tables = flat_tables(1000);
  tables.transition[1] = -1000;
  const auto ratio = std::make_shared<ConstantRatio>(0);
  const RejectionConfig config{.max_calls = 1000, .exact = true};
  const Rejection never(ratio, config, *sampler, flat_tables(1000)),
      once(ratio, config, *sampler, tables);
  Walkers walkers = walkers_at(levels[0] * latents(2, 3), 0);
  Trials trials = started_trials(3, 0);
  RejectionCounts counts = no_counts();
  const auto step = [&](const Rejection& rejection) {
    const Walkers before = walkers;
    sampler->step(*law, levels, walkers);
    rejection.judge(levels, 0, before, walkers, trials, counts);
    return before;
  };
  const Walkers first = step(never);
  EXPECT_TRUE(at::equal(walkers.x, first.x));
  EXPECT_TRUE((walkers.memory_level == -1).all().item<bool>()) << "nothing was before";
  step(once);
  ASSERT_EQ(walkers.level.min().item<int64_t>(), 1);
  const Walkers second = step(once);
  EXPECT_TRUE(at::equal(walkers.x, second.x));
  EXPECT_TRUE(at::equal(walkers.level, second.level));
  EXPECT_TRUE(at::equal(walkers.memory, second.memory));
  EXPECT_TRUE(at::equal(walkers.memory_level, at::zeros({3}, at::kLong)));
}

// A rejected first step leaves a multistep solver with nothing to remember.
TEST(Rejection, ExactModeWorksWithSolversThatRememberTheStepBefore) {
  const diffusion::LawPair laws = diffusion::two_mode_laws();
  const auto law = laws.biased;
  const auto sampler =
      SamplerRegistry::instance().find("dpmpp_2m").make.make({{"steps", kSteps}, {"eta", 1}});
  const Rejection rejection(std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased),
                            {.max_calls = 1000000, .exact = true}, *sampler, flat_tables(0.3));
  const SampleResult alone = run(*law, *sampler, 40, &rejection, 1);
  const SampleResult together = run(*law, *sampler, 40, &rejection, 48);
  EXPECT_TRUE(at::isfinite(alone.images).all().item<bool>());
  EXPECT_TRUE(at::equal(alone.images, together.images));
  EXPECT_LT(alone.rejection.accepted[1], alone.rejection.tested[1]) << "first steps were rejected";
}

/// x times a parameter that is trained; notes whether anything it gave carries a graph.
class TrainedRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    const at::Tensor values = (x.to(at::kDouble) * weight_).sum(1);
    if (values.requires_grad()) has_graph = true;
    return values;
  }
  mutable std::atomic<bool> has_graph = false;

 private:
  at::Tensor weight_ = at::full({}, 0.02, at::kDouble).requires_grad_(true);
};

TEST(Rejection, BuildsNoGraphAnywhere) {
  ASSERT_TRUE(at::GradMode::is_enabled());
  const auto law = diffusion::two_mode_laws().biased;
  const auto ratio = std::make_shared<TrainedRatio>();
  ASSERT_TRUE(ratio->log_ratio(at::ones({1, 2}), {}, {}).requires_grad());
  ratio->has_graph = false;
  Progress progress;
  for (const bool is_exact : {false, true}) {
    const auto sampler = make_sampler(is_exact ? "euler_ancestral" : "heun");
    SampleRequest request{.seeds = at::arange(40), .item_shape = {2}, .seed_base = 5};
    request.latents = random_normal(5, Purpose::kLatent, request.seeds, {2}).requires_grad_(true);
    const SampleOptions options{.batch_size = 16, .num_threads = 2};
    const RejectionConfig config{.max_calls = 1000000, .warmup_images = 40, .exact = is_exact};
    const RejectionTables tables =
        measure_rejection_tables(*law, *sampler, *ratio, config, request, options, progress);
    const Rejection rejection(ratio, config, *sampler, tables);
    const SampleResult result =
        sample_images(*law, *sampler, request, options, progress, {}, &rejection);
    EXPECT_FALSE(result.images.requires_grad());
    EXPECT_LT(result.rejection.accepted[2], result.rejection.tested[2]) << "some were sent back";
  }
  EXPECT_FALSE(ratio->has_graph);
}

TEST(Rejection, NoAttemptExceedsItsBudget) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto heun = make_sampler("heun");
  const int64_t least = heun->num_function_evaluations();
  const Rejection tight(strict_ratio(), {.max_calls = least}, *heun, flat_tables(0.1));
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
  double calls_before = 0, acceptance_before = 1;
  const auto total = [](const std::vector<int64_t>& counts) {
    return static_cast<double>(std::accumulate(counts.begin() + 1, counts.end(), int64_t{0}));
  };
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
    const double acceptance = total(result.rejection.accepted) / total(result.rejection.tested);
    EXPECT_LE(acceptance, acceptance_before) << percentile;
    acceptance_before = acceptance;
  }
  EXPECT_GT(calls_before, 2 * kSteps - 1);
  EXPECT_LT(acceptance_before, 0.9) << "something must have been rejected";
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

TEST(Rejection, GivesUpOnWhatIsNeverFinished) {
  const auto law = diffusion::two_mode_laws().biased;
  const auto euler = make_sampler("euler", 2);
  RejectionTables tables = flat_tables(-1000, 2);
  tables.transition[2] = 1000;
  const Rejection rejection(std::make_shared<ConstantRatio>(0), {}, *euler, tables);
  try {
    run(*law, *euler, 1, &rejection);
    FAIL() << "must not go on for ever";
  } catch (const NumericError& error) {
    EXPECT_NE(std::string(error.what()).find("max_calls"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace equipoise::samplers
