#include "pipeline/training_stages.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/mixture_law.h"
#include "diffusion/model_file.h"
#include "nets/adm_discriminator.h"
#include "nets/default_network.h"
#include "pipeline/label_stages.h"
#include "pipeline/method_training.h"
#include "pipeline/preview.h"
#include "pipeline/stage_steps.h"
#include "reweight/posterior_ratio.h"
#include "reweight/ratio_diagnostics.h"
#include "reweight/split_ratio.h"
#include "train/denoiser_task.h"
#include "train/discriminator_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using objectives::RatioNeed;

constexpr int64_t kMaxMonitorImages = 256;
constexpr uint32_t kPosteriorPart = 5;

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

bool has_posterior(const ExperimentConfig& config, RatioNeed need) {
  return config.ratio.kind == "posterior" && need == RatioNeed::kTimeDependent;
}

bool has_network(const ExperimentConfig& config, RatioNeed need) {
  return config.ratio.kind != "exact" &&
         (!has_posterior(config, need) || config.ratio.posterior_above > 0);
}

std::shared_ptr<const diffusion::DensityRatio> load_network(const TrainingContext& context,
                                                            RatioNeed need) {
  return diffusion::load_discriminator_ratio(context.folder.model(ratio_name(need)),
                                             device_of(context))
      .ratio;
}

at::Tensor posterior_biased(const TrainingContext& context, const at::Tensor& biased,
                            const at::Tensor& reference) {
  const int64_t all = num_posterior_images(context.config.ratio, biased.numel(), reference.numel());
  return prefix(shuffled(biased, seed_of(context), kPosteriorPart), all - reference.numel());
}

/// Over all reference images given and some of the biased ones; below `ratio.posterior_above` the
/// network's.
std::shared_ptr<const diffusion::DensityRatio> posterior_ratio(const TrainingContext& context,
                                                               const at::Tensor& biased,
                                                               const at::Tensor& reference) {
  const data::ImageSet& set = *context.data.training;
  const double above = context.config.ratio.posterior_above;
  auto posterior = std::make_shared<reweight::PosteriorRatio>(
      *load_network(context, RatioNeed::kTimeIndependent),
      set.images.index_select(0, posterior_biased(context, biased, reference))
          .to(device_of(context)),
      set.images.index_select(0, reference).to(device_of(context)));
  if (above == 0) return posterior;
  return std::make_shared<reweight::SplitRatio>(load_network(context, RatioNeed::kTimeDependent),
                                                posterior, above);
}

}  // namespace

int64_t num_posterior_images(const RatioSection& ratio, int64_t biased, int64_t reference) {
  return std::min(biased, std::max(ratio.posterior_images - reference, reference)) + reference;
}

std::string ratio_name(RatioNeed need) {
  return need == RatioNeed::kTimeDependent ? "ratio_time_dependent" : "ratio_time_independent";
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
  if (has_network(context.config, need)) {
    auto network = nets::make_discriminator_network(context.config.ratio_network,
                                                    context.data.shape, seed_of(context));
    nets::load_extractor(*network, context.config.ratio.extractor);
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
         .extra = equipoise::to_json(diffusion::DiscriminatorUse{
             .time_map = law.time_map, .time_dependent = time_dependent})});
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
  // Judged on images that are kept from it; training uses it over all.
  const bool is_mean = has_posterior(context.config, need);
  const auto ratio = is_mean ? posterior_ratio(context, images.biased_train, images.reference_train)
                             : load_ratio(context, need);
  if (is_mean)
    json.update({{"posterior_above", context.config.ratio.posterior_above},
                 {"posterior_images",
                  num_posterior_images(context.config.ratio, images.biased_train.numel(),
                                       images.reference_train.numel())}});
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
  if (has_posterior(context.config, need))
    return posterior_ratio(context, context.data.split.biased, context.data.split.reference);
  return load_network(context, need);
}

namespace {

/// Makes `model` one that is told of words, if the run has any; null otherwise.
std::shared_ptr<const train::WordConditions> add_words(const TrainingContext& context,
                                                       diffusion::ModelConfig& model) {
  const WordsSection& words = context.config.words;
  if (!words.is_on()) return nullptr;
  const std::vector<std::string>& groups = context.data.split.groups;
  const data::WordTable table = make_table(words, groups);
  const data::WordSchedule schedule = make_schedule(words, groups);
  model.shape.label_dim = table.embedding_size();
  model.extra["words"] = model_words_json(table, schedule, groups);
  return std::make_shared<train::WordConditions>(
      train::WordConditions::Parts{.schedule = schedule,
                                   .embeddings = table.embeddings,
                                   .num_biased = context.data.split.biased.numel(),
                                   .num_reference = context.data.split.reference.numel(),
                                   .seed = seed_of(context)});
}

}  // namespace

diffusion::ModelConfig model_config(const ExperimentConfig& config, const nets::DataShape& shape,
                                    int64_t num_groups) {
  diffusion::ModelConfig model{.preconditioning = config.model.preconditioning,
                               .sigma_data = config.model.sigma_data,
                               .shape = shape,
                               .network = config.network};
  if (model.network.at("type") == kDefaultNetwork)
    model.network = nets::default_denoiser_network(shape);
  if (config.model.conditional) model.shape.label_dim = num_groups;
  return model;
}

Json train_method(const TrainingContext& context, const MethodConfig& method) {
  const ExperimentConfig& config = context.config;
  const data::ImageSet& set = *context.data.training;
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(method.objective).make;
  diffusion::ModelConfig model =
      model_config(config, context.data.shape, context.data.num_groups());
  model.extra = {{"class_names", context.data.split.groups},
                 {"data_sha256", set.sha256},
                 {"objective", method.objective},
                 {"options", method.options}};
  const std::shared_ptr<const train::WordConditions> words = add_words(context, model);
  const MethodStart start = make_start(context, method, std::move(model));
  const MethodSets sets = sets_of(context, method.training.groups);
  const std::shared_ptr<const objectives::Objective> objective =
      plugin.make(method.options, {.ratio = load_ratio(context, plugin.needs.ratio),
                                   .labels = load_label_model(context, plugin.needs.labels)});
  auto source = std::make_shared<data::BatchSource>(
      context.data.shown, sets.biased, sets.reference,
      data::BatchSource::Options{.law = objective->training_set(),
                                 .seed = seed_of(context),
                                 .first_stream_id = kMethodStream,
                                 .augment = config.train.augment});
  const at::Tensor monitor =
      prefix(shuffled(context.data.target_indices, seed_of(context), 3), kMaxMonitorImages);
  const train::DenoiserTask::Parts parts{
      .denoiser = start.denoiser,
      .objective = objective,
      .source = source,
      .noise = config.train.noise,
      .sigma_data = start.model.sigma_data,
      .seed = seed_of(context),
      .heldout = context.data.evaluation->normalised(monitor),
      .heldout_labels = context.data.evaluation->labels.index_select(0, monitor),
      .num_workers = config.num_workers(),
      .device = device_of(context),
      .label_dropout = config.train.label_dropout,
      .words = words};
  const train::LoopConfig loop = loop_of(config, method);
  const MethodTask task = make_task(context, method, start, sets, parts, loop);
  const auto shown = with_preview(context, method.name, start.denoiser, task.task);
  const train::TrainResult result =
      run_stage(context, *shown, start.denoiser->parameters(), loop, method.name, task.companions);
  diffusion::save_model(context.folder.model(method.name), *start.denoiser, start.model);
  remove_checkpoint(context, method.name);
  Json json{{"model", model_json(context, method.name, *start.denoiser)},
            {"training", training_json(result)}};
  json.update(describe(context, method, start, task, result));
  return json;
}

}  // namespace equipoise::pipeline
