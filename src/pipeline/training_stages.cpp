#include "pipeline/training_stages.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "metrics/features.h"
#include "metrics/shares.h"
#include "nets/default_network.h"
#include "pipeline/stages.h"
#include "diffusion/discriminator_ratio.h"
#include "reweight/ratio_diagnostics.h"
#include "train/classifier_task.h"
#include "train/denoiser_task.h"
#include "train/discriminator_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using objectives::RatioNeed;

constexpr int64_t kMaxMonitorImages = 256;
constexpr int64_t kMaxClassifierMonitorImages = 1000;

// Streams of the shuffled sets; each stage has two (biased, reference), so that no two stages share
// an order.
enum StreamId : uint32_t { kClassifierStream = 0, kRatioStream = 2, kMethodStream = 4 };

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

train::LoopHooks hooks_of(const TrainingContext& context, const std::string& name) {
  const std::filesystem::path checkpoint =
      context.folder.path() / "models" / (name + ".checkpoint.safetensors");
  return {
      .checkpoint = checkpoint,
      .resume = context.resume,
      .on_tick = [&context, name](const train::Tick& tick) {
        nlohmann::ordered_json line{{"stage", name}, {"images", tick.images}, {"loss", tick.loss}};
        if (std::isfinite(tick.heldout_loss)) line["heldout_loss"] = tick.heldout_loss;
        context.stats.append(line);
      }};
}

/// Runs the loop; a finished stage's checkpoint is removed by `finish`.
train::TrainResult run_stage(const TrainingContext& context, const train::TrainingTask& task,
                             std::vector<at::Tensor> parameters, const train::LoopConfig& config,
                             const std::string& name) {
  const train::LoopHooks hooks = hooks_of(context, name);
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

/// Both sets cut in a part to train discriminators on and a part to judge them by.
struct RatioImages {
  at::Tensor biased_train, reference_train, biased_validation, reference_validation;
};

RatioImages ratio_images(const TrainingContext& context) {
  const double share = context.config.ratio.validation;
  const auto cut = [&](const at::Tensor& indices, uint32_t part, at::Tensor& train,
                       at::Tensor& validation) {
    const at::Tensor order = shuffled(indices, seed_of(context), part);
    const auto count =
        std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(order.numel())));
    validation = prefix(order, std::min<int64_t>(count, 1000));
    train = order.slice(0, count);
  };
  RatioImages images;
  cut(context.data.split.biased, 0, images.biased_train, images.biased_validation);
  cut(context.data.split.reference, 1, images.reference_train, images.reference_validation);
  return images;
}

}  // namespace

std::string ratio_name(RatioNeed need) {
  return need == RatioNeed::kTimeDependent ? "ratio_time_dependent" : "ratio_time_independent";
}

Json train_classifier(const TrainingContext& context) {
  const std::string name = "classifier";
  const data::ImageSet& set = *context.data.training;
  nets::DataShape shape = context.data.shape;
  shape.label_dim = context.data.num_groups();
  auto network =
      nets::make_classifier_network(context.config.classifier_network, shape, seed_of(context));
  network->to(device_of(context));
  const at::Tensor order = shuffled(context.data.classifier_indices, seed_of(context), 2);
  const int64_t num_monitor = std::min<int64_t>(kMaxClassifierMonitorImages, order.numel() / 10);
  const at::Tensor monitor = prefix(order, num_monitor), training = order.slice(0, num_monitor);
  auto source = std::make_shared<data::BatchSource>(
      context.data.training, training, at::empty({0}, at::kLong),
      data::BatchSource::Options{.law = data::Law::kBiased,
                                 .seed = seed_of(context),
                                 .first_stream_id = kClassifierStream,
                                 .augment = {}});
  const train::ClassifierTask task({.network = network,
                                    .source = source,
                                    .heldout = set.normalised(monitor),
                                    .heldout_labels = set.labels.index_select(0, monitor),
                                    .num_workers = context.config.num_workers(),
                                    .device = device_of(context)});
  const train::TrainResult result =
      run_stage(context, task, network->parameters(), context.config.classifier.train, name);
  network->to(at::kCPU);
  network->eval();
  diffusion::save_classifier(context.folder.model(name), nets::state_of(*network),
                             {.shape = shape,
                              .network = context.config.classifier_network,
                              .extra = {{"class_names", context.data.split.groups}}});
  remove_checkpoint(context, name);

  const data::ImageSet& evaluation = *context.data.evaluation;
  const at::Tensor predicted =
      metrics::extract_features(*network, raw_images(evaluation, context.data.test_indices),
                                {.num_workers = context.config.num_workers()})
          .predicted_groups();
  const at::Tensor truth = evaluation.labels.index_select(0, context.data.test_indices);
  Json json = model_json(context, name, *network);
  json.update({{"num_train", training.numel()},
               {"num_test", truth.numel()},
               {"accuracy", (predicted == truth).to(at::kDouble).mean().item<double>()},
               {"confusion", metrics::confusion_matrix(truth, predicted, shape.label_dim)},
               {"training", training_json(result)}});
  return json;
}

Json train_ratio(const TrainingContext& context, RatioNeed need) {
  const std::string name = ratio_name(need);
  const bool time_dependent = need == RatioNeed::kTimeDependent;
  const bool has_teacher = time_dependent && context.config.ratio.labels == "soft";
  const data::ImageSet& set = *context.data.training;
  const RatioImages images = ratio_images(context);
  const at::Tensor biased = set.normalised(images.biased_validation),
                   reference = set.normalised(images.reference_validation);
  Json json{{"steps", 0}};
  if (context.config.ratio.kind == "trained") {
    auto network = nets::make_discriminator_network(context.config.ratio_network,
                                                    context.data.shape, seed_of(context));
    network->to(device_of(context));
    const reweight::RatioLaw law{.time_dependent = time_dependent,
                                 .time_law = context.config.ratio.time_law,
                                 .time_map = context.config.ratio.time_map,
                                 .denoiser_noise = context.config.train.noise};
    auto source = std::make_shared<data::BatchSource>(
        context.data.training, images.biased_train, images.reference_train,
        data::BatchSource::Options{.law = data::Law::kHalfAndHalf,
                                   .seed = seed_of(context),
                                   .first_stream_id = kRatioStream,
                                   .augment = context.config.ratio.augment});
    const train::DiscriminatorTask task(
        {.network = network,
         .source = source,
         .law = law,
         .seed = seed_of(context),
         .heldout = at::cat({biased, reference}),
         .heldout_labels = at::cat({at::zeros({biased.size(0)}), at::ones({reference.size(0)})})
                               .to(device_of(context)),
         .device = device_of(context),
         .teacher = has_teacher ? load_ratio(context, RatioNeed::kTimeIndependent) : nullptr});
    const train::TrainResult result =
        run_stage(context, task, network->trainable_parameters(), context.config.ratio.train, name);
    diffusion::save_discriminator(
        context.folder.model(name), nets::state_of(*network),
        {.shape = context.data.shape,
         .network = context.config.ratio_network,
         .extra = to_json(diffusion::DiscriminatorUse{.time_map = law.time_map,
                                                     .time_dependent = time_dependent})});
    remove_checkpoint(context, name);
    json = model_json(context, name, *network);
    const int64_t batch = context.config.ratio.train.batch_size;
    Json curve = Json::array();
    for (const train::Tick& tick : result.curve)
      curve.push_back({{"step", tick.images / batch},
                       {"train_bce", tick.loss},
                       {"heldout_bce", tick.heldout_loss}});
    json.update({{"snapshot_step", result.snapshot_images / batch},
                 {"num_steps", result.images / batch},
                 {"seconds", result.seconds},
                 {"curve", curve},
                 {"snapshot_bce", result.heldout_loss}});
  }
  const auto ratio = load_ratio(context, need);
  const reweight::RatioReport report = reweight::diagnose_ratio(
      *ratio, biased.to(device_of(context)), reference.to(device_of(context)),
      {.name = name, .time_dependent = time_dependent, .seed = seed_of(context)});
  for (const std::string& finding : report.findings)
    context.progress.message(name + ": " + finding);
  json.update(Json::parse(report.to_json().dump()));
  return json;
}

std::shared_ptr<const diffusion::DensityRatio> load_ratio(const TrainingContext& context,
                                                          RatioNeed need) {
  if (need == RatioNeed::kNone) return nullptr;
  if (context.config.ratio.kind == "exact") {
    if (context.data.training->source.rfind("toy:two-gaussians", 0) != 0)
      throw UsageError({.where = "ratio.kind",
                        .what = "no closed form is known for these data",
                        .got = context.data.training->source,
                        .expected = "toy:two-gaussians",
                        .hint = "Set ratio.kind = \"trained\""});
    const diffusion::LawPair laws = diffusion::two_mode_laws();
    return std::make_shared<diffusion::MixtureRatio>(laws.unbiased, laws.biased);
  }
  return diffusion::load_discriminator_ratio(context.folder.model(ratio_name(need)),
                                             device_of(context))
      .ratio;
}

Json train_method(const TrainingContext& context, const MethodConfig& method) {
  const ExperimentConfig& config = context.config;
  const data::ImageSet& set = *context.data.training;
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(method.objective).make;
  diffusion::ModelConfig model{.preconditioning = config.model.preconditioning,
                               .sigma_data = config.model.sigma_data,
                               .shape = context.data.shape,
                               .network = config.network};
  if (model.network.at("type") == kDefaultNetwork)
    model.network = nets::default_denoiser_network(model.shape);
  if (config.model.conditional) model.shape.label_dim = context.data.num_groups();
  model.extra = {{"class_names", context.data.split.groups},
                 {"data_sha256", set.sha256},
                 {"objective", method.objective},
                 {"options", method.options}};
  auto denoiser = diffusion::make_denoiser(model, seed_of(context));
  denoiser->to(device_of(context));
  const std::shared_ptr<const objectives::Objective> objective =
      plugin.make(method.options, load_ratio(context, plugin.ratio_need));
  auto source = std::make_shared<data::BatchSource>(
      context.data.training, context.data.split.biased, context.data.split.reference,
      data::BatchSource::Options{.law = objective->training_set(),
                                 .seed = seed_of(context),
                                 .first_stream_id = kMethodStream,
                                 .augment = config.train.augment});
  const at::Tensor monitor =
      prefix(shuffled(context.data.target_indices, seed_of(context), 3), kMaxMonitorImages);
  const train::DenoiserTask task(
      {.denoiser = denoiser,
       .objective = objective,
       .source = source,
       .noise = config.train.noise,
       .sigma_data = config.model.sigma_data,
       .seed = seed_of(context),
       .heldout = context.data.evaluation->normalised(monitor),
       .heldout_labels = context.data.evaluation->labels.index_select(0, monitor),
       .num_workers = config.num_workers(),
       .device = device_of(context)});
  const train::TrainResult result =
      run_stage(context, task, denoiser->parameters(), config.train, method.name);
  diffusion::save_model(context.folder.model(method.name), *denoiser, model);
  remove_checkpoint(context, method.name);
  return {{"model", model_json(context, method.name, *denoiser)},
          {"training", training_json(result)}};
}

}  // namespace equipoise::pipeline
