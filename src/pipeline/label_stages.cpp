#include "pipeline/label_stages.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "core/libtorch.h"
#include "data/label_noise.h"
#include "diffusion/model_file.h"
#include "diffusion/noisy_classifier.h"
#include "pipeline/stage_steps.h"
#include "reweight/label_diagnostics.h"
#include "reweight/transition_matrix.h"
#include "train/noisy_classifier_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using diffusion::PosteriorOf;
using objectives::LabelNeed;

constexpr const char* kName = "label_posterior";
constexpr int64_t kMaxMonitorImages = 2000, kItemsPerCall = 256;

std::filesystem::path transition_path(const TrainingContext& context) {
  return context.folder.path() / "models" / "transition.csv";
}

PosteriorOf posterior_of(const TrainingContext& context) {
  return context.config.label_model.transition == "anchors" ? PosteriorOf::kShownLabel
                                                            : PosteriorOf::kTrueClass;
}

/// Whether a matrix is at hand before any training.
bool is_given(const LabelModelSection& config) {
  return config.transition == "known" || config.transition == "file";
}

/// Training images, cut in a part that the classifier learns from and one it is judged by.
struct LabelImages {
  at::Tensor training, validation;
};

LabelImages label_images(const TrainingContext& context) {
  const at::Tensor order = shuffled(context.data.split.biased, seed_of(context), 4);
  const auto count =
      std::max<int64_t>(1, static_cast<int64_t>(context.config.label_model.validation *
                                                static_cast<double>(order.numel())));
  return {.training = order.slice(0, count),
          .validation = prefix(order, std::min(count, kMaxMonitorImages))};
}

at::Tensor given_transition(const TrainingContext& context) {
  const LabelModelSection& config = context.config.label_model;
  if (config.transition == "known") return context.data.label_noise;
  return data::load_transition(config.transition_file, context.data.split.groups);
}

/// What `ask(noisy images, sigma, their indices)` says of images at little noise, [n,…] on the CPU.
template <class Ask>
at::Tensor at_little_noise(const TrainingContext& context, const at::Tensor& indices,
                           const Ask& ask) {
  const at::NoGradGuard no_grad;
  const double sigma = context.config.label_model.anchor_sigma;
  std::vector<at::Tensor> rows;
  for (const at::Tensor& part : indices.split(kItemsPerCall)) {
    const at::Tensor images = context.data.shown->normalised(part);
    const at::Tensor noise = random_normal(seed_of(context), Purpose::kEvaluation, part,
                                           images.sizes().slice(1), /*part=*/2);
    const at::Tensor noisy = (images + sigma * noise).to(device_of(context));
    rows.push_back(ask(noisy, at::full({part.numel()}, sigma, noisy.options()), part).cpu());
  }
  return at::cat(rows);
}

/// A classifier's training: its entry in the results, and the matrix where it was learnt along.
struct TrainedPosterior {
  Json json;
  at::Tensor learned_transition;
};

TrainedPosterior train_posterior(const TrainingContext& context, const LabelImages& images,
                                 const at::Tensor& transition) {
  const LabelModelSection& config = context.config.label_model;
  const data::ImageSet& set = *context.data.shown;
  nets::NetworkConfig description = context.config.label_network;
  description["outputs"] = context.data.num_groups();
  const auto network =
      nets::make_discriminator_network(description, context.data.shape, seed_of(context));
  network->to(device_of(context));
  std::vector<at::Tensor> parameters = network->trainable_parameters();
  std::shared_ptr<reweight::LearnedTransition> learned;
  if (config.transition == "learned") {
    learned = std::make_shared<reweight::LearnedTransition>(context.data.num_groups());
    learned->to(device_of(context));
    parameters.push_back(learned->parameters()[0]);
  }
  // Augmented as the denoiser's images are: those are what it will be asked about.
  const auto source = std::make_shared<data::BatchSource>(
      context.data.shown, images.training, at::empty({0}, at::kLong),
      data::BatchSource::Options{.law = data::Law::kBiased,
                                 .seed = seed_of(context),
                                 .first_stream_id = kLabelStream,
                                 .augment = context.config.train.augment});
  const reweight::RatioLaw law{.time_law = config.time_law,
                               .time_map = config.time_map,
                               .denoiser_noise = context.config.train.noise};
  const train::NoisyClassifierTask task(
      {.network = network,
       .source = source,
       .law = law,
       .seed = seed_of(context),
       .heldout = set.normalised(images.validation),
       .heldout_labels = set.labels.index_select(0, images.validation),
       .device = device_of(context),
       .transition = transition,
       .learned_transition = learned,
       .volume_weight = config.volume_weight});
  train::LoopConfig loop = config.train;
  if (learned) {
    // Matrices that explain the labels equally well differ in volume, not in held-out loss.
    loop.snapshot = "last";
    loop.patience = 0;
  }
  const train::TrainResult result = run_stage(context, task, parameters, loop, kName);
  const diffusion::NoisyClassifierUse use{.time_map = config.time_map,
                                          .labels = context.data.split.groups};
  diffusion::save_noisy_classifier(
      context.folder.model(kName), nets::state_of(*network),
      {.shape = context.data.shape, .network = description, .extra = equipoise::to_json(use)});
  remove_checkpoint(context, kName);
  Json json = model_json(context, kName, *network);
  json["training"] = training_json(result);
  if (!learned) return {.json = json, .learned_transition = {}};
  const at::NoGradGuard no_grad;
  return {.json = json, .learned_transition = learned->matrix().to(at::kCPU, at::kDouble)};
}

/// As given, as trained along, or read off the classifier of shown labels.
at::Tensor find_transition(const TrainingContext& context, const LabelImages& images,
                           const TrainedPosterior& trained) {
  const LabelModelSection& config = context.config.label_model;
  if (is_given(config)) return given_transition(context);
  if (trained.learned_transition.defined()) return trained.learned_transition;
  const auto loaded =
      diffusion::load_label_posterior(context.folder.model(kName), device_of(context));
  const at::Tensor shown_posterior =
      at_little_noise(context, images.validation,
                      [&](const at::Tensor& noisy, const at::Tensor& sigma, const at::Tensor&) {
                        return loaded.posterior->log_posterior(noisy, sigma).exp().to(at::kDouble);
                      });
  return reweight::anchor_transition(shown_posterior, config.anchors);
}

std::vector<std::vector<double>> rows_of(const at::Tensor& matrix) {
  std::vector<std::vector<double>> rows;
  for (const at::Tensor& row : matrix.contiguous().unbind(0))
    rows.emplace_back(row.data_ptr<double>(), row.data_ptr<double>() + row.numel());
  return rows;
}

/// What the true labels have to say of it; nothing of this reaches training.
Json judge(const TrainingContext& context, const LabelImages& images,
           const diffusion::LabelModel& model) {
  Json json = Json::object();
  if (!context.data.label_noise.defined()) return json;
  json["matrix_error"] = (model.transition - context.data.label_noise).abs().max().item<double>();
  if (model.posterior == nullptr) return json;
  const auto labels = [&](const data::ImageSet& set) {
    return set.labels.index_select(0, images.validation).to(device_of(context));
  };
  const auto levels = reweight::diagnose_label_weights(
      diffusion::PosteriorLabelWeights(model),
      context.data.shown->normalised(images.validation).to(device_of(context)),
      labels(*context.data.training), labels(*context.data.shown), {.seed = seed_of(context)});
  json["levels"] = Json::parse(reweight::to_json(levels).dump());
  return json;
}

/// Writes the most probable true class of every training image, given its label: labels that
/// another run may be trained on (data.label_noise.kind = "labels").
Json correct_labels(const TrainingContext& context, const diffusion::LabelModel& model) {
  const data::ImageSet& shown = *context.data.shown;
  const diffusion::PosteriorLabelWeights weights(model);
  const at::Tensor indices = at::cat({context.data.split.biased, context.data.split.reference});
  const at::Tensor believed = at_little_noise(
      context, indices,
      [&](const at::Tensor& noisy, const at::Tensor& sigma, const at::Tensor& part) {
        const at::Tensor labels = shown.labels.index_select(0, part).to(noisy.device());
        return weights.weights(noisy, sigma, labels).argmax(1);
      });
  const std::filesystem::path file = context.folder.path() / "models" / "corrected_labels.csv";
  data::save_labels(file, shown, indices, shown.labels.index_copy(0, indices, believed));
  const auto share = [&](const at::Tensor& differ) {
    return differ.to(at::kDouble).mean().item<double>();
  };
  Json json{{"file", "models/" + file.filename().string()},
            {"share_changed", share(believed.ne(shown.labels.index_select(0, indices)))}};
  if (context.data.label_noise.defined())
    json["share_wrong"] =
        share(believed.ne(context.data.training->labels.index_select(0, indices)));
  return json;
}

bool needs_posterior(const TrainingContext& context, LabelNeed need) {
  return need == LabelNeed::kPosterior || !is_given(context.config.label_model);
}

}  // namespace

Json train_label_model(const TrainingContext& context, LabelNeed need) {
  const LabelModelSection& config = context.config.label_model;
  const LabelImages images = label_images(context);
  // A classifier of labels as they are needs no matrix.
  const at::Tensor corrected_by = is_given(config) ? given_transition(context) : at::Tensor();
  if (corrected_by.defined()) data::check_invertible(corrected_by, "label_model.transition");
  TrainedPosterior trained;
  if (needs_posterior(context, need)) trained = train_posterior(context, images, corrected_by);
  const at::Tensor transition = find_transition(context, images, trained);
  data::check_invertible(transition, "label_model.transition");
  data::save_transition(transition_path(context), transition, context.data.split.groups);
  Json json{{"transition", config.transition},
            {"matrix", rows_of(transition)},
            {"matrix_file", "models/" + transition_path(context).filename().string()}};
  if (!trained.json.is_null()) json["classifier"] = trained.json;
  const diffusion::LabelModel model = load_label_model(context, need);
  if (model.posterior) json["corrected_labels"] = correct_labels(context, model);
  json.update(judge(context, images, model));
  return json;
}

diffusion::LabelModel load_label_model(const TrainingContext& context, LabelNeed need) {
  if (need == LabelNeed::kNone) return {};
  diffusion::LabelModel model{
      .transition = data::load_transition(transition_path(context), context.data.split.groups),
      .posterior_of = posterior_of(context)};
  const at::Tensor counts =
      at::bincount(context.data.shown->labels.index_select(0, context.data.split.biased), {},
                   context.data.num_groups())
          .to(at::kDouble);
  model.prior = diffusion::class_shares(counts / counts.sum(), model.transition);
  if (need == LabelNeed::kPosterior)
    model.posterior =
        diffusion::load_label_posterior(context.folder.model(kName), device_of(context)).posterior;
  return model;
}

}  // namespace equipoise::pipeline
