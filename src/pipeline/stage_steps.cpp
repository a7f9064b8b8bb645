#include "pipeline/stage_steps.h"

#include <cmath>

#include <fmt/format.h>

#include "core/random.h"
#include "io/hash.h"
#include "nets/state.h"
#include "pipeline/stages.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

train::LoopHooks hooks_of(const TrainingContext& context, const std::string& name) {
  const std::filesystem::path checkpoint =
      context.folder.path() / "models" / (name + ".checkpoint.safetensors");
  return {.checkpoint = checkpoint,
          .resume = context.resume,
          .on_tick = tick_writer(context, name),
          .processes = context.processes};
}

}  // namespace

std::function<void(const train::Tick&)> tick_writer(const TrainingContext& context,
                                                    const std::string& name) {
  return [&context, name](const train::Tick& tick) {
    nlohmann::ordered_json line{{"stage", name}, {"images", tick.images}, {"loss", tick.loss}};
    if (std::isfinite(tick.heldout_loss)) line["heldout_loss"] = tick.heldout_loss;
    for (const auto& [key, value] : tick.notes.items()) line[key] = value;
    context.stats.append(line);
  };
}

uint64_t seed_of(const TrainingContext& context) {
  return static_cast<uint64_t>(context.config.seed);
}

at::Device device_of(const TrainingContext& context) {
  return at::Device(context.config.device);
}

at::Tensor prefix(const at::Tensor& indices, int64_t count) {
  return indices.slice(0, 0, std::min(count, indices.numel()));
}

at::Tensor shuffled(const at::Tensor& indices, uint64_t seed, uint32_t part) {
  return indices.index_select(
      0, random_permutation(RandomStream(seed, Purpose::kSplit, 2, part), indices.numel()));
}

train::TrainResult run_stage(const TrainingContext& context, const train::TrainingTask& task,
                             std::vector<at::Tensor> parameters, const train::LoopConfig& config,
                             const std::string& name,
                             const std::vector<std::shared_ptr<train::Companion>>& companions) {
  train::LoopHooks hooks = hooks_of(context, name);
  hooks.companions = companions;
  train::TrainResult result = train::run_loop(task, std::move(parameters), config, hooks,
                                              "train " + name, context.progress);
  if (result.interrupted) throw Interrupted{};
  if (result.bad_steps > 0)
    context.progress.message(fmt::format(
        "{}: {} steps had gradients that were not finite and were mended", name, result.bad_steps));
  return result;
}

void remove_checkpoint(const TrainingContext& context, const std::string& name) {
  std::filesystem::remove(hooks_of(context, name).checkpoint);
}

Json training_json(const train::TrainResult& result) {
  return {{"images", result.images},
          {"seconds", result.seconds},
          {"images_per_sec", static_cast<double>(result.images) / std::max(result.seconds, 1e-9)},
          {"snapshot_images", result.snapshot_images},
          {"bad_steps", result.bad_steps},
          {"curve", train::to_json(result.curve)}};
}

Json model_json(const TrainingContext& context, const std::string& name,
                const torch::nn::Module& module) {
  const std::filesystem::path path = context.folder.model(name);
  return {{"file", "models/" + path.filename().string()},
          {"sha256", io::sha256_of_file(path)},
          {"num_parameters", nets::num_parameters(module)}};
}

}  // namespace equipoise::pipeline
