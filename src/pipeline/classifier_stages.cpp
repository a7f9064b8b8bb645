#include "pipeline/classifier_stages.h"

#include <algorithm>
#include <memory>

#include "audit/condition_audit.h"
#include "audit/word_shares.h"
#include "core/libtorch.h"
#include "diffusion/model_file.h"
#include "metrics/features.h"
#include "metrics/intervals.h"
#include "metrics/shares.h"
#include "pipeline/stage_steps.h"
#include "train/classifier_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxMonitorImages = 1000;

/// What a classifier is trained on.
struct ClassifierImages {
  std::shared_ptr<const data::ImageSet> set;
  at::Tensor indices;  ///< [n] int64
  StreamId stream;
};

/// Trains and writes models/NAME.safetensors; measures on the run's test images.
Json train_named(const TrainingContext& context, const std::string& name,
                 const ClassifierImages& images) {
  nets::DataShape shape = context.data.shape;
  shape.label_dim = context.data.num_groups();
  auto network =
      nets::make_classifier_network(context.config.classifier_network, shape, seed_of(context));
  network->to(device_of(context));
  const at::Tensor order = shuffled(images.indices, seed_of(context), 2);
  const int64_t num_monitor = std::min<int64_t>(kMaxMonitorImages, order.numel() / 10);
  const at::Tensor monitor = prefix(order, num_monitor), training = order.slice(0, num_monitor);
  auto source = std::make_shared<data::BatchSource>(
      images.set, training, at::empty({0}, at::kLong),
      data::BatchSource::Options{.law = data::Law::kBiased,
                                 .seed = seed_of(context),
                                 .first_stream_id = images.stream,
                                 .augment = {}});
  const train::ClassifierTask task({.network = network,
                                    .source = source,
                                    .heldout = images.set->normalised(monitor),
                                    .heldout_labels = images.set->labels.index_select(0, monitor),
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
  const metrics::Interval accuracy =
      metrics::wilson_interval((predicted == truth).sum().item<int64_t>(), truth.numel());
  Json json = model_json(context, name, *network);
  json.update({{"num_train", training.numel()},
               {"num_test", truth.numel()},
               {"accuracy", accuracy.value},
               {"accuracy_interval", metrics::to_json(accuracy)},
               {"confusion", metrics::confusion_matrix(truth, predicted, shape.label_dim)},
               {"training", training_json(result)}});
  return json;
}

}  // namespace

Json train_classifier(const TrainingContext& context) {
  return train_named(context, "classifier",
                     {.set = context.data.training,
                      .indices = context.data.classifier_indices,
                      .stream = kClassifierStream});
}

Json train_on_samples(const TrainingContext& context, const std::string& method,
                      const ConditionedSamples& samples) {
  auto set = std::make_shared<data::ImageSet>();
  set->images = samples.images;
  set->labels = samples.classes;
  set->class_names = context.data.split.groups;
  set->source = "samples of " + method;
  return train_named(
      context, "cas_" + method,
      {.set = set, .indices = at::arange(set->size(), at::kLong), .stream = kAccuracyStream});
}

Json measure_conditions(const TrainingContext& context, const ConditionedSamples& samples,
                        const audit::AuditReference& reference) {
  const metrics::Features features = metrics::extract_features(
      *reference.classifier, samples.images, {.num_workers = context.config.num_workers()});
  const audit::ConditionedImages images{
      .sample_features = features.features,
      .sample_predicted = features.predicted_groups(),
      .sample_classes = samples.classes,
      .reference_features = reference.features,
      .reference_classes =
          context.data.evaluation->labels.index_select(0, context.data.target_indices),
      .class_names = context.data.split.groups};
  return Json::parse(audit::audit_conditions(images, {.seed = seed_of(context)}).dump());
}

Json measure_words(const TrainingContext& context, const ConditionedSamples& samples,
                   const audit::AuditReference& reference) {
  const audit::WordSamples words{
      .predicted = metrics::extract_features(*reference.classifier, samples.images,
                                             {.num_workers = context.config.num_workers()})
                       .predicted_groups(),
      .words = samples.classes,
      .vocabulary = vocabulary(context.config.words, context.data.split.groups),
      .confusion = reference.confusion,
      .group_names = reference.group_names};
  return Json::parse(audit::shares_by_word(words, seed_of(context)).dump());
}

}  // namespace equipoise::pipeline
