#include "pipeline/plan.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "core/caching_allocator.h"
#include "core/libtorch.h"
#include "diffusion/model_file.h"
#include "nets/classifier.h"
#include "nets/discriminator.h"
#include "nets/state.h"
#include "objectives/objective.h"
#include "pipeline/image_data.h"
#include "pipeline/training_stages.h"
#include "pipeline/words.h"
#include "track/quantity_text.h"

namespace equipoise::pipeline {
namespace {

using objectives::RatioNeed;

/// Weights, their average, a gradient, a moment: all are float32.
constexpr int64_t kBytes = 4;

/// Most that forward and back take at once, whatever was measured before. The first round packs
/// weights and makes primitives.
int64_t activation_bytes(const std::function<at::Tensor()>& loss,
                         const std::vector<at::Tensor>& parameters) {
  int64_t most = 0;
  for (int round = 0; round < 2; ++round) {
    release_cached_memory();  // a block left behind may be lent to less than it holds
    const int64_t before = allocation_counts().live_bytes;
    reset_peak_bytes();
    torch::autograd::grad({loss()}, parameters, /*grad_outputs=*/{}, /*retain_graph=*/c10::nullopt,
                          /*create_graph=*/false, /*allow_unused=*/true);
    most = allocation_counts().peak_bytes - before;
  }
  return most;
}

StagePlan plan_stage(const std::string& name, const torch::nn::Module& network,
                     const std::vector<at::Tensor>& trainable, const train::LoopConfig& loop,
                     const std::string& device, const at::Tensor& images,
                     const std::function<at::Tensor()>& loss) {
  const int64_t num_trainable =
      std::accumulate(trainable.begin(), trainable.end(), int64_t{0},
                      [](int64_t sum, const at::Tensor& values) { return sum + values.numel(); });
  const int64_t num_parameters = nets::num_parameters(network);
  const int64_t item_bytes = kBytes * images.numel() / images.size(0);
  const int64_t lanes =
      std::min(loop.lanes, (loop.batch_size + images.size(0) - 1) / images.size(0));
  return {.network = name,
          .num_parameters = num_parameters,
          .weights = kBytes * (num_parameters + num_trainable),
          .optimizer = 2 * kBytes * num_trainable,
          .gradients = (device == "cpu" ? lanes : lanes + 1) * kBytes * num_trainable,
          .activations = lanes * activation_bytes(loss, trainable),
          .batch = item_bytes * loop.batch_size};
}

/// A micro-batch of noise in the data's shape.
at::Tensor noise_images(const ImageData& data, const train::LoopConfig& loop) {
  std::vector<int64_t> shape = data.item_shape();
  shape.insert(shape.begin(), std::min(loop.micro_batch_size, loop.batch_size));
  return at::randn(shape);
}

at::Tensor first_class(const nets::DataShape& shape, int64_t count) {
  if (shape.label_dim == 0) return {};
  return at::one_hot(at::zeros({count}, at::kLong), shape.label_dim).to(at::kFloat);
}

StagePlan plan_denoiser(const ExperimentConfig& config, const ImageData& data) {
  diffusion::ModelConfig model = model_config(config, data.shape, data.num_groups());
  if (config.words.is_on())
    model.shape.label_dim = make_table(config.words, data.split.groups).embedding_size();
  const auto denoiser = diffusion::make_denoiser(model, config.seed);
  const at::Tensor images = noise_images(data, config.train);
  const at::Tensor sigma = at::ones({images.size(0)});
  const at::Tensor labels = first_class(model.shape, images.size(0));
  return plan_stage(
      "denoiser " + model.network.at("type").get<std::string>(), *denoiser, denoiser->parameters(),
      config.train, config.device, images,
      [&] { return denoiser->denoise(images, sigma, {.class_labels = labels}).square().sum(); });
}

StagePlan plan_discriminator(const ExperimentConfig& config, const ImageData& data) {
  const auto network =
      nets::make_discriminator_network(config.ratio_network, data.shape, config.seed);
  const at::Tensor images = noise_images(data, config.ratio.train);
  const at::Tensor time = at::full({images.size(0)}, 0.5);
  return plan_stage("discriminator " + config.ratio_network.at("type").get<std::string>(), *network,
                    network->trainable_parameters(), config.ratio.train, config.device, images,
                    [&] { return network->logit(images, time).square().sum(); });
}

/// What a time-dependent ratio holds while it is asked for values and gradients: its networks'
/// weights, what each lane's question takes, and the images of `ratio.kind = "posterior"`.
int64_t ratio_bytes(const ExperimentConfig& config, const ImageData& data) {
  const auto network =
      nets::make_discriminator_network(config.ratio_network, data.shape, config.seed);
  const at::Tensor images = noise_images(data, config.train).requires_grad_();
  const at::Tensor time = at::full({images.size(0)}, 0.5);
  const int64_t asked =
      activation_bytes([&] { return network->logit(images, time).sum(); }, {images}) *
      config.train.lanes;
  int64_t held = kBytes * nets::num_parameters(*network);
  if (config.ratio.kind == "posterior")
    held += num_posterior_images(config.ratio, data.split.biased.numel(),
                                 data.split.reference.numel()) *
            static_cast<int64_t>(data.training->images.nbytes()) / data.training->size();
  return held + asked;
}

StagePlan plan_classifier(const ExperimentConfig& config, const ImageData& data) {
  nets::DataShape shape = data.shape;
  shape.label_dim = data.num_groups();
  const auto network = nets::make_classifier_network(config.classifier_network, shape, config.seed);
  const at::Tensor images = noise_images(data, config.classifier.train);
  return plan_stage("classifier " + config.classifier_network.at("type").get<std::string>(),
                    *network, network->parameters(), config.classifier.train, config.device, images,
                    [&] { return network->logits(images).square().sum(); });
}

bool needs_ratio(const ExperimentConfig& config, const std::set<RatioNeed>& any_of) {
  const auto& registry = objectives::ObjectiveRegistry::instance();
  return config.ratio.kind != "exact" &&
         std::ranges::any_of(config.methods, [&](const MethodConfig& method) {
           return any_of.contains(registry.find(method.objective).make.needs.ratio);
         });
}

std::string size_text(int64_t bytes) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kMebibyte);
}

}  // namespace

RunPlan make_plan(const ExperimentConfig& config, Progress& progress) {
  const ImageData data = load_image_data(config, /*split_file=*/{}, progress);
  std::set<const data::ImageSet*> sets = {data.training.get(), data.evaluation.get()};
  RunPlan plan;
  for (const data::ImageSet* set : sets)
    plan.image_bytes += static_cast<int64_t>(set->images.nbytes());
  plan.stages.push_back(plan_classifier(config, data));
  if (needs_ratio(config, {RatioNeed::kTimeIndependent, RatioNeed::kTimeDependent}))
    plan.stages.push_back(plan_discriminator(config, data));
  plan.stages.push_back(plan_denoiser(config, data));
  if (needs_ratio(config, {RatioNeed::kTimeDependent}))
    plan.stages.back().ratio = ratio_bytes(config, data);
  return plan;
}

std::string to_text(const RunPlan& plan) {
  std::string text =
      fmt::format("{:<28}{:>14}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", "network", "parameters",
                  "weights", "optimizer", "gradients", "activations", "batch", "ratio");
  int64_t most = 0;
  for (const StagePlan& stage : plan.stages) {
    text +=
        fmt::format("{:<28}{:>14}{:>12}{:>12}{:>12}{:>12}{:>12}{:>12}\n", stage.network,
                    track::grouped(stage.num_parameters), size_text(stage.weights),
                    size_text(stage.optimizer), size_text(stage.gradients),
                    size_text(stage.activations), size_text(stage.batch), size_text(stage.ratio));
    most = std::max(most, stage.total());
  }
  return text + fmt::format(
                    "at most {} at once, and {} of images; the libraries take their part besides\n"
                    "a smaller train.micro_batch_size takes less for activations\n",
                    size_text(most), size_text(plan.image_bytes));
}

}  // namespace equipoise::pipeline
