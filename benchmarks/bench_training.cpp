// Training steps as `equipoise train` makes them: data, noise, loss, gradients, Adam, EMA.
//
// Names: train/WORKLOAD/BATCH and train_tiw/WORKLOAD/BATCH (with the presets' discriminator in the
// loop); items are images.
#include <chrono>

#include <benchmark/benchmark.h>

#include "diffusion/discriminator_ratio.h"
#include "flags.h"
#include "nets/discriminator.h"
#include "objectives/objective.h"
#include "train/denoiser_task.h"
#include "workload.h"

namespace equipoise::benchmarks {
namespace {

/// The first step takes the memory that all of them use; a device's first four capture its graphs.
int64_t num_warm_ups() {
  return device().is_cpu() ? 1 : 5;
}
int64_t num_timed_steps() {
  return device().is_cpu() ? 9 : 20;
}

/// Times the steps after the warm-up.
class StepClock : public train::Companion {
 public:
  void step_done(int64_t first, int64_t count) override {
    if (first / count + 1 != num_warm_ups()) return;
    wait_for_device();
    start_ = std::chrono::steady_clock::now();
  }
  double seconds() const {
    wait_for_device();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_;
};

std::shared_ptr<const objectives::Objective> make_objective(const std::string& name,
                                                            const nets::DataShape& shape) {
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(name).make;
  objectives::ObjectiveInputs inputs;
  if (plugin.needs.ratio != objectives::RatioNeed::kNone) {
    const auto discriminator =
        nets::make_discriminator_network({{"type", "CNN"}}, shape, /*init_seed=*/0);
    discriminator->to(device());
    inputs.ratio = std::make_shared<diffusion::DiscriminatorRatio>(discriminator);
  }
  return plugin.make(nlohmann::json::object(), inputs);
}

void train(benchmark::State& state, const std::string& workload, const std::string& objective) {
  const int64_t batch = state.range(0);
  const diffusion::ModelConfig model = read_workload(workload);
  const auto images = random_images(model.shape, 256);
  const auto denoiser = diffusion::make_denoiser(model, /*init_seed=*/0);
  denoiser->to(device());
  const at::Tensor half = at::arange(128), rest = at::arange(128, 256);
  train::DenoiserTask::Parts parts;
  parts.denoiser = denoiser;
  parts.objective = make_objective(objective, model.shape);
  parts.source =
      std::make_shared<data::BatchSource>(images, half, rest, data::BatchSource::Options{});
  parts.device = device();
  const train::DenoiserTask task(parts);
  train::LoopConfig config;
  config.images = (num_warm_ups() + num_timed_steps()) * batch;
  config.batch_size = batch;
  config.micro_batch_size = device().is_cpu() ? std::min<int64_t>(batch / 2, 8) : batch;
  config.tick_images = 1'000'000;
  const auto clock = std::make_shared<StepClock>();
  train::LoopHooks hooks;
  hooks.companions = {clock};
  Progress silent;
  for (auto _ : state) {
    train::run_loop(task, denoiser->parameters(), config, hooks, "benchmark", silent);
    state.SetIterationTime(clock->seconds());
  }
  state.SetItemsProcessed(state.iterations() * num_timed_steps() * batch);
}

/// What a step asks of the data: images picked, and made float32.
void load(benchmark::State& state) {
  const int64_t batch = state.range(0);
  const auto images = random_images(read_workload("S").shape, 256);
  const data::BatchSource source(images, at::arange(128), at::arange(128, 256),
                                 data::BatchSource::Options{});
  int64_t first = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(source.batch(first, batch));
    first += batch;
  }
  state.SetItemsProcessed(state.iterations() * batch);
}
BENCHMARK(load)->Name("load/S")->Arg(64);

// The larger batches are for devices.
BENCHMARK_CAPTURE(train, S, "S", "dsm_obs")->Name("train/S")->Arg(64)->Arg(512)->UseManualTime();
BENCHMARK_CAPTURE(train, S_tiw, "S", "tiw_dsm")
    ->Name("train_tiw/S")
    ->Arg(64)
    ->Arg(512)
    ->UseManualTime();
BENCHMARK_CAPTURE(train, C, "C", "dsm_obs")->Name("train/C")->Arg(4)->Arg(128)->UseManualTime();

}  // namespace
}  // namespace equipoise::benchmarks
