// Training steps as `equipoise train` makes them: data, noise, loss, gradients, Adam, EMA.
//
// Names: train/WORKLOAD/BATCH and train_tiw/WORKLOAD/BATCH (with the presets' discriminator in the
// loop); items are images.
#include <benchmark/benchmark.h>

#include "diffusion/discriminator_ratio.h"
#include "nets/discriminator.h"
#include "objectives/objective.h"
#include "train/denoiser_task.h"
#include "workload.h"

namespace equipoise::benchmarks {
namespace {

constexpr int64_t kStepsPerIteration = 9;

std::shared_ptr<const objectives::Objective> make_objective(const std::string& name,
                                                            const nets::DataShape& shape) {
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(name).make;
  objectives::ObjectiveInputs inputs;
  if (plugin.needs.ratio != objectives::RatioNeed::kNone)
    inputs.ratio = std::make_shared<diffusion::DiscriminatorRatio>(
        nets::make_discriminator_network({{"type", "CNN"}}, shape, /*init_seed=*/0));
  return plugin.make(nlohmann::json::object(), inputs);
}

void train(benchmark::State& state, const std::string& workload, const std::string& objective) {
  const int64_t batch = state.range(0);
  const diffusion::ModelConfig model = read_workload(workload);
  const auto images = random_images(model.shape, 256);
  const auto denoiser = diffusion::make_denoiser(model, /*init_seed=*/0);
  const at::Tensor half = at::arange(128), rest = at::arange(128, 256);
  train::DenoiserTask::Parts parts;
  parts.denoiser = denoiser;
  parts.objective = make_objective(objective, model.shape);
  parts.source =
      std::make_shared<data::BatchSource>(images, half, rest, data::BatchSource::Options{});
  const train::DenoiserTask task(parts);
  train::LoopConfig config;
  config.images = kStepsPerIteration * batch;
  config.batch_size = batch;
  config.micro_batch_size = std::min<int64_t>(batch / 2, 8);
  config.tick_images = 1'000'000;
  Progress silent;
  for (auto _ : state)
    train::run_loop(task, denoiser->parameters(), config, {}, "benchmark", silent);
  state.SetItemsProcessed(state.iterations() * config.images);
}

BENCHMARK_CAPTURE(train, S, "S", "dsm_obs")->Name("train/S")->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(train, S_tiw, "S", "tiw_dsm")->Name("train_tiw/S")->Arg(64)->UseRealTime();
BENCHMARK_CAPTURE(train, C, "C", "dsm_obs")->Name("train/C")->Arg(4)->UseRealTime();

}  // namespace
}  // namespace equipoise::benchmarks
