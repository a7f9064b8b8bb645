#include "train/loop.h"

#include <cmath>
#include <filesystem>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "train/adam.h"
#include "train/stop_fixture.h"
#include "train/thread_group_fixture.h"

namespace equipoise::train {
namespace {

namespace fs = std::filesystem;

/// Least squares: y = <w, x> with x from counter-based streams; the optimum is `truth`.
class LeastSquares : public TrainingTask {
 public:
  LeastSquares()
      : weights_(at::zeros({3}).set_requires_grad(true)),
        bias_(at::zeros({1}).set_requires_grad(true)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override {
    const at::Tensor x = random_normal(1, Purpose::kNoise, at::arange(first, first + count), {3});
    at::Tensor loss = (x.matmul(weights_) + bias_ - x.matmul(truth_) - 0.5).pow(2).sum();
    if (first >= poison_from_ && first < poison_to_)
      loss = loss * std::numeric_limits<double>::quiet_NaN();
    return loss;
  }
  double heldout_loss() const override { return (weights_ - truth_).pow(2).sum().item<double>(); }
  std::vector<at::Tensor> parameters() const { return {weights_, bias_}; }

  at::Tensor weights_, bias_;
  const at::Tensor truth_ = at::tensor({1.0f, -2.0f, 0.5f});
  int64_t poison_from_ = 0, poison_to_ = 0;
};

LoopConfig small_config() {
  return {.images = 4000,
          .batch_size = 20,
          .micro_batch_size = 6,
          .lanes = 2,
          .learning_rate = 0.05,
          .ramp_images = 100,
          .ema = {.half_life_kimg = 0.2},
          .tick_images = 500};
}

class LoopTest : public testing::Test {
 protected:
  LoopTest()
      : folder_(fs::temp_directory_path() / ("equipoise_loop_" + std::to_string(::getpid()))) {
    fs::create_directories(folder_);
  }
  ~LoopTest() override { fs::remove_all(folder_); }
  fs::path folder_;
  Progress silent_;
};

TEST_F(LoopTest, FindsTheOptimumAndReportsIt) {
  LeastSquares task;
  const TrainResult result = run_loop(task, task.parameters(), small_config(), {}, "fit", silent_);
  EXPECT_LT(task.heldout_loss(), 1e-3);
  EXPECT_NEAR(task.bias_.item<float>(), 0.5, 0.02);
  EXPECT_EQ(result.images, 4000);
  EXPECT_EQ(result.curve.size(), 8u);
  EXPECT_LT(result.curve.back().loss, result.curve.front().loss);
  EXPECT_FALSE(result.interrupted);
}

/// Loss = the weight itself, an image: Adam then moves it by the learning rate at every step.
class Slope : public TrainingTask {
 public:
  at::Tensor loss_sum(int64_t, int64_t count) const override {
    return weight_.sum() * static_cast<double>(count);
  }
  at::Tensor weight_ = at::zeros({1}).set_requires_grad(true);
};

/// Notes how far the weight moved at each step.
class Speedometer : public Companion {
 public:
  explicit Speedometer(at::Tensor weight) : weight_(std::move(weight)) {}
  void step_done(int64_t, int64_t) override {
    const double here = weight_.item<double>();
    moved.push_back(last_ - here);
    last_ = here;
  }
  std::vector<double> moved;

 private:
  at::Tensor weight_;
  double last_ = 0;
};

std::vector<double> learning_rates(bool cool_down) {
  const Slope task;
  const auto speedometer = std::make_shared<Speedometer>(task.weight_);
  const LoopConfig config{.images = 600,
                          .batch_size = 10,
                          .micro_batch_size = 5,
                          .lanes = 1,
                          .learning_rate = 0.5,
                          .ramp_images = 100,
                          .cool_down = cool_down,
                          .ema = {},
                          .tick_images = 600};
  LoopHooks hooks;
  hooks.companions = {speedometer};
  Progress progress;
  run_loop(task, {task.weight_}, config, hooks, "slope", progress);
  return speedometer->moved;
}

TEST(LearningRate, RampsUpStaysAndCoolsDownToZero) {
  const std::vector<double> rates = learning_rates(true);
  ASSERT_EQ(rates.size(), 60u);
  for (size_t step = 0; step < 60; ++step) {
    const auto number = static_cast<double>(step);
    const double up = std::min(1.0, (number + 1) / 10), down = std::min(1.0, 3 * (1 - number / 60));
    EXPECT_NEAR(rates[step], 0.5 * up * down, 1e-4) << step;
  }
  // Linearly to zero: the step after the last would not move at all.
  EXPECT_NEAR(rates[59] - (rates[58] - rates[59]), 0, 1e-4);
  EXPECT_LT(rates[59], 0.06 * 0.5);
}

TEST(LearningRate, StaysWhenItIsNotToCoolDown) {
  EXPECT_NEAR(learning_rates(false).back(), 0.5, 1e-4);
}

TEST_F(LoopTest, ResumedRunEqualsUninterruptedBitForBit) {
  LeastSquares whole;
  const TrainResult expected =
      run_loop(whole, whole.parameters(), small_config(), {}, "fit", silent_);
  for (int64_t stop_after : {1, 37, 150}) {
    LoopHooks hooks{
        .checkpoint = folder_ / ("c" + std::to_string(stop_after)), .resume = true, .on_tick = {}};
    StopAfter stop(stop_after);
    LeastSquares first;
    EXPECT_TRUE(
        run_loop(first, first.parameters(), small_config(), hooks, "fit", stop).interrupted);
    LeastSquares second;
    const TrainResult resumed =
        run_loop(second, second.parameters(), small_config(), hooks, "fit", silent_);
    EXPECT_TRUE(at::equal(second.weights_, whole.weights_)) << stop_after;
    EXPECT_TRUE(at::equal(second.bias_, whole.bias_));
    ASSERT_EQ(resumed.curve.size(), expected.curve.size());
    for (size_t i = 0; i < expected.curve.size(); ++i) {
      EXPECT_EQ(resumed.curve[i].loss, expected.curve[i].loss);
      EXPECT_EQ(resumed.curve[i].heldout_loss, expected.curve[i].heldout_loss);
    }
  }
}

/// Two processes of one lane, each with files of its own; the second is asked to stop after some
/// steps, if any.
std::vector<TrainResult> train_together(const std::vector<std::unique_ptr<LeastSquares>>& tasks,
                                        LoopConfig config, const fs::path& folder,
                                        std::optional<int64_t> stop_after = std::nullopt) {
  config.lanes = 1;
  std::vector<TrainResult> results(tasks.size());
  run_processes(static_cast<int64_t>(tasks.size()), [&](std::shared_ptr<const ProcessGroup> group) {
    const auto rank = static_cast<size_t>(group->rank());
    Progress silent;
    StopAfter stop(stop_after.value_or(0));
    LoopHooks hooks{.checkpoint = folder / std::to_string(rank),
                    .resume = true,
                    .on_tick = {},
                    .processes = group};
    results[rank] = run_loop(*tasks[rank], tasks[rank]->parameters(), config, hooks, "fit",
                             stop_after && rank == 1 ? static_cast<Progress&>(stop) : silent);
  });
  return results;
}

std::vector<std::unique_ptr<LeastSquares>> two_tasks() {
  std::vector<std::unique_ptr<LeastSquares>> tasks;
  for (int i = 0; i < 2; ++i) tasks.push_back(std::make_unique<LeastSquares>());
  return tasks;
}

/// Means of 16 images: exact in float32, whether divided before or after they are added up.
LoopConfig config_of_16() {
  LoopConfig config = small_config();
  config.batch_size = 16;
  config.micro_batch_size = 4;
  return config;
}

TEST_F(LoopTest, TwoProcessesOfOneLaneAreOneOfTwoBitForBit) {
  LeastSquares alone;
  const TrainResult expected =
      run_loop(alone, alone.parameters(), config_of_16(), {}, "fit", silent_);
  const auto tasks = two_tasks();
  const std::vector<TrainResult> results = train_together(tasks, config_of_16(), folder_);
  for (size_t rank = 0; rank < 2; ++rank) {
    EXPECT_TRUE(at::equal(tasks[rank]->weights_, alone.weights_)) << rank;
    EXPECT_TRUE(at::equal(tasks[rank]->bias_, alone.bias_)) << rank;
    EXPECT_EQ(to_json(results[rank].curve), to_json(expected.curve)) << rank;
  }
}

TEST_F(LoopTest, ProcessesStopAtTheSameStepAndGoOnBitForBit) {
  const auto whole = two_tasks();
  fs::create_directories(folder_ / "whole");
  train_together(whole, config_of_16(), folder_ / "whole");
  fs::create_directories(folder_ / "own");
  const auto first = two_tasks();
  const std::vector<TrainResult> stopped =
      train_together(first, config_of_16(), folder_ / "own", 37);
  for (const TrainResult& result : stopped) {
    EXPECT_TRUE(result.interrupted);
    EXPECT_EQ(result.images, 37 * 16);
  }
  const auto second = two_tasks();
  train_together(second, config_of_16(), folder_ / "own");
  for (size_t rank = 0; rank < 2; ++rank)
    EXPECT_TRUE(at::equal(second[rank]->weights_, whole[0]->weights_)) << rank;
}

TEST_F(LoopTest, AnotherNumberOfProcessesCannotGoOn) {
  const auto first = two_tasks();
  train_together(first, config_of_16(), folder_, 3);
  LoopConfig config = config_of_16();
  config.lanes = 1;
  LeastSquares task;
  EXPECT_THROW(
      run_loop(task, task.parameters(), config,
               {.checkpoint = folder_ / "0", .resume = true, .on_tick = {}}, "fit", silent_),
      UsageError);
}

TEST_F(LoopTest, ResumeUnderAnotherRecipeIsRefusedByName) {
  LoopHooks hooks{.checkpoint = folder_ / "c", .resume = true, .on_tick = {}};
  StopAfter stop(3);
  LeastSquares task;
  run_loop(task, task.parameters(), small_config(), hooks, "fit", stop);
  LoopConfig other = small_config();
  other.learning_rate = 0.01;
  try {
    run_loop(task, task.parameters(), other, hooks, "fit", silent_);
    FAIL() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr("another setting of /learning_rate: got 0.01, expected 0.05"));
  }
}

TEST_F(LoopTest, BestSnapshotIsTheOneWithTheLeastHeldoutLoss) {
  LeastSquares task;
  LoopConfig config = small_config();
  config.snapshot = "best";
  config.learning_rate = 0.5;  // wanders about
  const TrainResult result = run_loop(task, task.parameters(), config, {}, "fit", silent_);
  double best = std::numeric_limits<double>::infinity();
  for (const Tick& tick : result.curve) best = std::min(best, tick.heldout_loss);
  EXPECT_EQ(result.heldout_loss, best);
  EXPECT_EQ(task.heldout_loss(), best);
}

TEST_F(LoopTest, EndsWhenTheHeldoutLossHasNotFallenForLong) {
  LeastSquares task;
  LoopConfig config = small_config();
  config.learning_rate = 0;  // nothing is learnt: the first tick is the best
  config.patience = 3;
  Progress silent;
  const TrainResult result = run_loop(task, task.parameters(), config, {}, "test", silent);
  EXPECT_EQ(result.images, 4 * config.tick_images);
  EXPECT_EQ(result.curve.size(), 4u);
  EXPECT_FALSE(result.interrupted);
}

TEST_F(LoopTest, AFewBadGradientsAreMendedAndCounted) {
  LeastSquares task;
  task.poison_from_ = 800;
  task.poison_to_ = 840;
  LoopConfig config = small_config();
  EXPECT_EQ(run_loop(task, task.parameters(), config, {}, "fit", silent_).bad_steps, 2);
  EXPECT_LT(task.heldout_loss(), 1e-3) << "two bad steps must not spoil the fit";
  config.max_bad_steps = 2;
  try {
    run_loop(task, task.parameters(), config, {}, "fit", silent_);
    FAIL() << "no error";
  } catch (const NumericError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("2 steps in a row"));
  }
  for (const at::Tensor& parameter : task.parameters())
    EXPECT_TRUE(at::isfinite(parameter).all().item<bool>());
}

GradientPart parts_of(const at::Tensor& gradient) {
  return [=](int64_t begin, int64_t end) { return gradient.slice(0, begin, end); };
}

/// Twenty steps of both from the same weights on the same gradients.
template <typename Optimizer, typename Options>
void expect_steps_of(const Options& options, const AdamConfig& config) {
  at::Tensor reference = at::tensor({1.0f, -2.0f, 0.0f, 3.0f}).set_requires_grad(true);
  Optimizer optimizer({reference}, options);
  at::Tensor values = reference.detach().clone();
  AdamState state(values);
  for (int step = 0; step < 20; ++step) {
    const at::Tensor gradient =
        random_normal(5, Purpose::kNoise, at::tensor({step}, at::kLong), {4})[0];
    reference.mutable_grad() = gradient.clone();
    optimizer.step();
    EXPECT_EQ(adam_step(config, 0.01, 0.9, parts_of(gradient), values, state), 0);
  }
  EXPECT_LT((values - reference).abs().max().item<float>(), 1e-6);
}

TEST(AdamStep, AgreesWithLibTorchsAdam) {
  expect_steps_of<torch::optim::Adam>(torch::optim::AdamOptions(0.01).weight_decay(0.1),
                                      {.weight_decay = 0.1});
}

TEST(AdamStep, WithDecoupledDecayItIsLibTorchsAdamW) {
  expect_steps_of<torch::optim::AdamW>(torch::optim::AdamWOptions(0.01).weight_decay(0.5),
                                       {.decoupled_weight_decay = 0.5});
}

// After steps with weights v_1, v_2, v_3 from v_0: b^3 v_0 + (1 - b) (b^2 v_1 + b v_2 + v_3).
TEST(AdamStep, AveragesTheWeightsItPassesThrough) {
  constexpr int64_t kSize = 101;
  for (const double beta : {0.0, 0.5, 0.999})
    for (const int64_t num_workers : {1, 2}) {
      at::Tensor values = random_normal(5, Purpose::kNoise, at::arange(1), {kSize})[0];
      AdamState state(values);
      at::Tensor expected = values.to(at::kDouble) * std::pow(beta, 3);
      for (int64_t step = 1; step <= 3; ++step) {
        const at::Tensor gradient =
            random_normal(6, Purpose::kNoise, at::arange(step, step + 1), {kSize})[0];
        adam_step({}, 0.5, beta, parts_of(gradient), values, state, num_workers);
        expected += (1 - beta) * std::pow(beta, 3 - step) * values.to(at::kDouble);
      }
      EXPECT_LT((state.average - expected).abs().max().item<double>(), 2e-6) << beta;
      if (beta == 0) {
        EXPECT_TRUE(at::equal(state.average, values));
      }
    }
}

TEST(AdamStep, ReplacesWhatIsNotFiniteAndCountsIt) {
  at::Tensor values = at::zeros({3});
  AdamState state(values);
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(adam_step({}, 0.01, 0, parts_of(at::tensor({std::nanf(""), inf, 1.0f})), values, state),
            2);
  EXPECT_EQ(values[0].item<float>(), 0);
  EXPECT_NEAR(values[1].item<float>(), -0.01, 1e-6);
  EXPECT_TRUE(at::equal(state.average, values));
}

}  // namespace
}  // namespace equipoise::train
