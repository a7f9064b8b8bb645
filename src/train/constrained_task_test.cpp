#include "train/constrained_task.h"

#include <cmath>
#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/guided_denoiser.h"
#include "diffusion/precondition.h"
#include "io/scratch_folder.h"
#include "samplers/sample_images.h"
#include "train/constraints/line_fixture.h"
#include "train/denoiser_task.h"
#include "train/stop_fixture.h"
#include "train/thread_group_fixture.h"

namespace equipoise::train {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

/// A constraint whose loss is whatever the test says, with no images.
class SaidLoss : public Constraint {
 public:
  explicit SaidLoss(double value) : value_(value) {}
  at::Tensor losses(const diffusion::Denoiser&, int64_t, int64_t count) const override {
    return at::full({count}, value_);
  }
  double heldout_loss(const diffusion::Denoiser&) const override { return value_; }
  Floor floor() const override { return {}; }
  int64_t num_images() const override { return 0; }

 private:
  double value_;
};

/// A dual training that is fed by hand; the losses named here are those of estimate "fresh".
DualTraining by_hand(
    DualConfig config, std::vector<double> thresholds, std::vector<double> fresh = {},
    std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>()) {
  DualTraining::Parts parts{.config = config, .batch_size = 4, .processes = std::move(processes)};
  parts.denoiser = std::make_shared<diffusion::GaussianMixture>(two_humps(0.5));
  const std::vector<std::string> names{"c0", "c1"};
  fresh.resize(thresholds.size());
  for (size_t i = 0; i < thresholds.size(); ++i)
    parts.constraints.push_back({.name = names[i],
                                 .constraint = std::make_shared<SaidLoss>(fresh[i]),
                                 .threshold = thresholds[i],
                                 .batch_size = 2});
  return DualTraining(std::move(parts));
}

void step(DualTraining& dual, double loss, int64_t images = 2) {
  dual.record(0, {.loss = {loss * static_cast<double>(images), 0}, .images = {images, 4}});
  dual.step_done(0, 4);
}

DualConfig config_with(const std::string& estimate, int64_t period) {
  DualConfig config;
  config.dual_step = 1;
  config.estimate = estimate;
  config.period_steps = period;
  config.memory_steps = 3;
  return config;
}

TEST(DualTraining, EstimatesOfADualStepAreWhatTheyAreCalled) {
  struct Case {
    std::string estimate;
    double expected;
  };
  // Steps with losses 1, 2, 4, 3; two dual steps. ema, memory 3: 1, 1.5, 2.3333, 2.5556.
  for (const Case& c :
       {Case{"last", 2 + 3}, {"mean", 1.5 + 3.5}, {"ema", 1.5 + 23.0 / 9}, {"fresh", 2 * 10}}) {
    DualTraining dual = by_hand(config_with(c.estimate, 2), {0}, {10});
    for (const double loss : {1.0, 2.0, 4.0, 3.0}) step(dual, loss);
    EXPECT_NEAR(dual.ascent().multipliers()[0], c.expected, 1e-12) << c.estimate;
    EXPECT_EQ(dual.ascent().num_steps(), 2);
  }
}

TEST(DualTraining, MeansCountImagesAndLeaveOutWhatIsNotFinite) {
  DualTraining dual = by_hand(config_with("mean", 3), {0});
  step(dual, 1, 1);
  step(dual, 4, 2);
  step(dual, std::nan(""));
  EXPECT_NEAR(dual.ascent().multipliers()[0], 3, 1e-12);
  // No image of the constraint at all: the multiplier stays.
  for (int k = 0; k < 3; ++k) step(dual, 0, 0);
  EXPECT_NEAR(dual.ascent().multipliers()[0], 3, 1e-12);
}

TEST(DualTraining, OrderOfThreadsDoesNotMatter) {
  const auto multiplier = [](std::vector<int64_t> order) {
    DualTraining dual = by_hand(config_with("mean", 1), {0});
    const std::vector<double> losses{0.1, 1e-17, 3.3, 0.7};
    for (const int64_t i : order)
      dual.record(i, {.loss = {losses[static_cast<size_t>(i)], 0}, .images = {1, 1}});
    dual.step_done(0, 4);
    return dual.ascent().multipliers()[0];
  };
  EXPECT_EQ(multiplier({0, 1, 2, 3}), multiplier({2, 0, 3, 1}));
}

// Each process sees losses of its own, two images and one; the step is on the mean over all three.
TEST(DualTraining, ProcessesTakeTheSameStep) {
  for (const std::string estimate : {"last", "mean", "ema"}) {
    std::vector<double> multipliers(2);
    run_processes(2, [&](std::shared_ptr<const ProcessGroup> group) {
      DualTraining dual = by_hand(config_with(estimate, 1), {0.1}, {}, group);
      group->rank() == 0 ? step(dual, 0.2, 2) : step(dual, 0.8, 1);
      multipliers[static_cast<size_t>(group->rank())] = dual.ascent().multipliers()[0];
    });
    EXPECT_EQ(multipliers[0], multipliers[1]) << estimate;
    EXPECT_NEAR(multipliers[0], 0.4 - 0.1, 1e-12) << estimate;
  }
}

TEST(DualTraining, TellsLossesAndMultipliersAtATick) {
  DualTraining dual = by_hand(config_with("last", 1), {0}, {7});
  step(dual, 1);
  step(dual, 3);
  const nlohmann::json notes = dual.at_tick(8);
  EXPECT_EQ(notes["constraints"]["c0"]["loss"], 2.0);
  EXPECT_EQ(notes["constraints"]["c0"]["multiplier"], 4.0);
  EXPECT_EQ(notes["constraints"]["c0"]["heldout_loss"], 7.0);
  EXPECT_TRUE(notes.contains("objective_loss"));
  step(dual, 5);
  EXPECT_EQ(dual.at_tick(12)["constraints"]["c0"]["loss"], 5.0) << "since the tick before";
}

TEST(DualTraining, NeedsAConstraint) {
  EXPECT_THROW(by_hand({}, {}), UsageError);
}

TEST(ProportionalBatch, FollowsTheSetsWithinBounds) {
  EXPECT_EQ(proportional_batch(128, 5000, 50'000), 12);
  EXPECT_EQ(proportional_batch(128, 500, 50'000), 8);
  EXPECT_EQ(proportional_batch(4, 500, 50'000), 4);
  EXPECT_EQ(proportional_batch(32, 100'000, 50'000), 32);
  EXPECT_EQ(proportional_batch(32, 0, 50'000), 32);
}

/// A small network on the line, trained on q = 0.9 N(-2, 1/4) + 0.1 N(2, 1/4), the rare hump its
/// constraint.
struct LineRun {
  explicit LineRun(std::vector<double> multipliers, DualConfig config = {}, int64_t batch_size = 32,
                   std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>())
      : set(hump_set(0.1, 3000)) {
    const diffusion::ModelConfig model{
        .sigma_data = 2,
        .shape = {.resolution = 0, .channels = 1, .label_dim = 0},
        .network = {{"type", "MLP"}, {"hidden", 48}, {"layers", 2}, {"emb_channels", 16}}};
    denoiser = diffusion::make_denoiser(model, 5);
    const diffusion::NoiseLaw noise{.law = "edm", .p_mean = 0.2, .p_std = 1.2};
    ConstraintContext context = line_context(set, noise);
    context.sigma_data = 2;
    base = std::make_shared<DenoiserTask>(DenoiserTask::Parts{
        .denoiser = denoiser,
        .objective = std::shared_ptr<const objectives::Objective>(
            objectives::ObjectiveRegistry::instance()
                .find("dsm_bias")
                .make.make(nlohmann::json::object(), {})),
        .source = std::make_shared<data::BatchSource>(
            set, context.biased, context.reference,
            data::BatchSource::Options{.law = data::Law::kBiased, .augment = {}}),
        .noise = noise,
        .sigma_data = 2,
        .seed = 1,
        .heldout = {},
        .heldout_labels = {},
        .num_workers = 1});
    DualTraining::Parts parts{.config = config,
                              .denoiser = denoiser,
                              .batch_size = batch_size,
                              .processes = std::move(processes)};
    const std::vector<std::string> groups{"right", "left"};
    for (size_t i = 0; i < multipliers.size(); ++i) {
      context.seed = 21 + i;
      parts.constraints.push_back(
          {.name = groups[i],
           .constraint = make_constraint("group", {{"group", groups[i]}}, context),
           .threshold = 0.1,
           .batch_size = batch_size / 2,
           .multiplier = multipliers[i]});
    }
    dual = std::make_shared<DualTraining>(std::move(parts));
    task = std::make_shared<ConstrainedTask>(base, denoiser, 1, dual);
  }

  std::vector<at::Tensor> gradient(const TrainingTask& of, int64_t first, int64_t count) const {
    return torch::autograd::grad({of.loss_sum(first, count)}, denoiser->parameters());
  }
  std::vector<at::Tensor> constraint_gradient(size_t i, int64_t first, int64_t count) const {
    const at::Tensor losses =
        dual->constraints()[i].constraint->losses(*denoiser, first, count).sum();
    return torch::autograd::grad({losses}, denoiser->parameters());
  }
  /// Share of samples right of 0.
  double right_share() const {
    constexpr int64_t kSamples = 1500;
    const auto sampler =
        samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 14}});
    Progress silent;
    const at::Tensor samples =
        samplers::sample_images(*denoiser, *sampler,
                                {.seeds = at::arange(kSamples), .item_shape = {1}},
                                {.batch_size = 512, .chunk_size = 512}, silent)
            .images;
    return samples.gt(0).to(at::kDouble).mean().item<double>();
  }

  std::shared_ptr<data::ImageSet> set;
  std::shared_ptr<diffusion::PreconditionedDenoiser> denoiser;
  std::shared_ptr<DenoiserTask> base;
  std::shared_ptr<DualTraining> dual;
  std::shared_ptr<ConstrainedTask> task;
};

TEST(ConstrainedTask, AtMultiplierZeroTheGradientIsPlainTrainingsToTheBit) {
  const LineRun run({0});
  const auto plain = run.gradient(*run.base, 5, 12), constrained = run.gradient(*run.task, 5, 12);
  for (size_t k = 0; k < plain.size(); ++k) EXPECT_TRUE(at::equal(plain[k], constrained[k]));
}

TEST(ConstrainedTask, GradientIsLinearInTheMultipliers) {
  const LineRun run({0.5, 1.5}), doubled({1.0, 1.5});
  const auto base = run.gradient(*run.base, 0, 32);
  // 32 images of the main set go with 16 of each constraint, which count double.
  const auto first = run.constraint_gradient(0, 0, 16), second = run.constraint_gradient(1, 0, 16);
  const auto found = run.gradient(*run.task, 0, 32), other = doubled.gradient(*doubled.task, 0, 32);
  for (size_t k = 0; k < base.size(); ++k) {
    EXPECT_TRUE(
        at::allclose(found[k], base[k] + 2 * (0.5 * first[k] + 1.5 * second[k]), 1e-4, 1e-4));
    EXPECT_TRUE(at::allclose(other[k] - found[k], first[k], 1e-3, 1e-3));
  }
}

TEST(ConstrainedTask, CutsOfAStepAddUpToTheWhole) {
  const LineRun run({0.7});
  const auto whole = run.gradient(*run.task, 64, 32);
  std::vector<at::Tensor> sum(whole.size());
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{64, 7}, {71, 14}, {85, 11}}) {
    const auto part = run.gradient(*run.task, first, count);
    for (size_t k = 0; k < sum.size(); ++k) sum[k] = sum[k].defined() ? sum[k] + part[k] : part[k];
  }
  for (size_t k = 0; k < sum.size(); ++k) EXPECT_TRUE(at::allclose(sum[k], whole[k], 1e-4, 1e-4));
}

TEST(ConstrainedTask, NormalisedLagrangianIsDividedByOneAndTheMultipliers) {
  DualConfig config;
  config.normalise = true;
  const LineRun plain({0.5, 1.5}), normalised({0.5, 1.5}, config);
  EXPECT_NEAR(normalised.task->loss_sum(0, 8).item<double>() * 3,
              plain.task->loss_sum(0, 8).item<double>(), 1e-3);
}

LoopConfig short_run(int64_t images) {
  return {.images = images,
          .batch_size = 32,
          .micro_batch_size = 16,
          .lanes = 1,
          .learning_rate = 5e-3,
          .ramp_images = 320,
          .ema = {.half_life_kimg = 2},
          .tick_images = 320};
}

TrainResult train(const LineRun& run, const LoopConfig& config, LoopHooks hooks,
                  Progress& progress) {
  hooks.companions = {run.dual};
  return run_loop(*run.task, run.denoiser->parameters(), config, hooks, "fit", progress);
}

TEST(ConstrainedTraining, ResumedMultipliersFollowTheSamePathToTheBit) {
  const io::ScratchFolder scratch;
  Progress silent;
  for (const std::string estimate : {"mean", "ema", "fresh"}) {
    DualConfig config;
    config.dual_step = 0.5;
    config.period_steps = 3;
    config.estimate = estimate;
    const LineRun whole({0, 0}, config);
    const TrainResult expected = train(whole, short_run(960), {}, silent);
    EXPECT_GT(whole.dual->ascent().multipliers()[0], 0.1);
    for (const int64_t stop_after : {4, 17}) {
      LoopHooks hooks{.checkpoint = scratch / fmt::format("{}{}", estimate, stop_after),
                      .resume = true,
                      .on_tick = {}};
      StopAfter stop(stop_after);
      train(LineRun({0, 0}, config), short_run(960), hooks, stop);
      const LineRun second({0, 0}, config);
      const TrainResult resumed = train(second, short_run(960), hooks, silent);
      EXPECT_EQ(second.dual->ascent().multipliers(), whole.dual->ascent().multipliers());
      EXPECT_EQ(to_json(resumed.curve).dump(), to_json(expected.curve).dump())
          << estimate << stop_after;
      const auto got = second.denoiser->parameters(), wanted = whole.denoiser->parameters();
      for (size_t k = 0; k < got.size(); ++k) EXPECT_TRUE(at::equal(got[k], wanted[k]));
    }
  }
}

TEST(ConstrainedTraining, ProcessesTrainTheModelOfOne) {
  DualConfig config;
  config.dual_step = 0.5;
  LoopConfig loop = short_run(640);
  loop.micro_batch_size = 8;
  loop.lanes = 2;
  Progress silent;
  const LineRun alone({0, 0}, config);
  train(alone, loop, {}, silent);
  loop.lanes = 1;
  std::vector<std::unique_ptr<LineRun>> together(2);
  run_processes(2, [&](std::shared_ptr<const ProcessGroup> group) {
    auto& run = together[static_cast<size_t>(group->rank())];
    run = std::make_unique<LineRun>(std::vector<double>{0, 0}, config, 32, group);
    LoopHooks hooks;
    hooks.processes = group;
    Progress progress;
    train(*run, loop, hooks, progress);
  });
  EXPECT_GT(alone.dual->ascent().multipliers()[0], 0.1);
  for (const auto& run : together) {
    for (size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(run->dual->ascent().multipliers()[i], alone.dual->ascent().multipliers()[i],
                  1e-6);
    const auto got = run->denoiser->parameters(), wanted = alone.denoiser->parameters();
    for (size_t k = 0; k < got.size(); ++k)
      EXPECT_TRUE(at::allclose(got[k], wanted[k], 1e-4, 1e-5));
  }
}

TEST(ConstrainedTraining, ResumeUnderOtherConstraintsIsRefused) {
  const io::ScratchFolder scratch;
  const LoopHooks hooks{.checkpoint = scratch / "c", .resume = true, .on_tick = {}};
  StopAfter stop(3);
  Progress silent;
  train(LineRun({0, 0}), short_run(960), hooks, stop);
  EXPECT_THROW(train(LineRun({0}), short_run(960), hooks, silent), UsageError);
  const LineRun plain({0});
  EXPECT_THROW(
      run_loop(*plain.base, plain.denoiser->parameters(), short_run(960), hooks, "fit", silent),
      UsageError);
}

TEST(ConstrainedTraining, FrozenZeroMultipliersAreThePlainRunToTheBit) {
  DualConfig config;
  config.dual_step = 0;
  Progress silent;
  const LineRun constrained({0, 0}, config), plain({0});
  train(constrained, short_run(640), {}, silent);
  run_loop(*plain.base, plain.denoiser->parameters(), short_run(640), {}, "fit", silent);
  const auto got = constrained.denoiser->parameters(), wanted = plain.denoiser->parameters();
  for (size_t k = 0; k < got.size(); ++k) EXPECT_TRUE(at::equal(got[k], wanted[k]));
}

// Multiplier 0.8 stands for the balanced mixture, 0 for the 10 % of the data. Of 1500 samples the
// share has a standard error of 0.013; the rest of the 0.05 is left to the network.
TEST(ConstrainedTraining, SamplesFollowTheMixtureOfTheMultipliers) {
  DualConfig config;
  config.dual_step = 0;
  LoopConfig loop = short_run(51'200);
  loop.batch_size = loop.micro_batch_size = 64;
  Progress silent;
  const LineRun balanced({0.8}, config, 64), plain({0}, config, 64);
  train(balanced, loop, {}, silent);
  train(plain, loop, {}, silent);
  EXPECT_NEAR(balanced.right_share(), 0.5, 0.05);
  EXPECT_NEAR(plain.right_share(), 0.1, 0.05);
}

}  // namespace
}  // namespace equipoise::train
