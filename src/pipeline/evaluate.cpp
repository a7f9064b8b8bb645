#include "pipeline/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "audit/group_audit.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "data/dataset_reader.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "metrics/features.h"
#include "metrics/metric.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

void check_same_size(const data::ImageSet& samples, const data::ImageSet& reference) {
  if (samples.images.sizes().slice(1) == reference.images.sizes().slice(1)) return;
  throw DataError(
      {.where = samples.source,
       .what = "samples and reference differ in image size",
       .got = fmt::format("[{}]", fmt::join(samples.images.sizes().slice(1), ", ")),
       .expected = fmt::format("[{}]", fmt::join(reference.images.sizes().slice(1), ", ")),
       .hint = ""});
}

/// Without a classifier: distances in pixel space, named so.
OrderedJson pixel_metrics(const data::ImageSet& samples, const data::ImageSet& reference,
                          uint64_t seed) {
  metrics::MetricInput input;
  input.sample_features = samples.normalised(at::arange(samples.size())).flatten(1);
  input.reference_features = reference.normalised(at::arange(reference.size())).flatten(1);
  input.feature_recipe = samples.is_vectors() ? "the vectors themselves" : "pixels, x / 127.5 - 1";
  input.seed = seed;
  OrderedJson json;
  for (const auto& [name, entry] : metrics::MetricRegistry::instance().entries()) {
    const auto metric = entry.make.make(Json::object());
    if (metric->missing(input).empty()) json[name] = metric->measure(input);
  }
  return json;
}

OrderedJson classified_metrics(const EvaluateJob& job, const data::ImageSet& samples,
                               const data::ImageSet& reference, Progress& progress) {
  const diffusion::LoadedClassifier loaded = diffusion::load_classifier(*job.classifier);
  loaded.network->eval();
  const int64_t num_groups = loaded.description.shape.label_dim;
  if (!reference.labels.defined() ||
      static_cast<int64_t>(reference.class_names.size()) != num_groups)
    throw DataError({.where = reference.source,
                     .what = "the reference needs the classifier's labels, to measure its errors",
                     .got = reference.labels.defined()
                                ? fmt::format("{} classes", reference.class_names.size())
                                : "no labels",
                     .expected = fmt::format("{} classes", num_groups),
                     .hint = "Leave --classifier out to compare pixels only"});
  const at::Tensor counts = at::bincount(reference.labels, {}, num_groups);
  std::vector<double> target;
  for (int64_t group = 0; group < num_groups; ++group)
    target.push_back(counts[group].item<double>() / static_cast<double>(reference.size()));
  const audit::AuditOptions options{
      .seed = job.seed, .num_workers = job.num_workers, .progress = &progress};
  const at::Tensor predicted =
      metrics::extract_features(*loaded.network, reference.images, {.num_workers = job.num_workers})
          .predicted_groups();
  const audit::AuditReference held = audit::make_reference(
      loaded.network,
      {.evaluation_images = reference.images,
       .training_images = {},
       .confusion = metrics::confusion_matrix(reference.labels, predicted, num_groups),
       .group_names = reference.class_names,
       .target = target,
       .feature_recipe =
           "classifier, penultimate layer, sha256 " + io::sha256_of_file(*job.classifier)},
      options);
  return audit::audit_samples(samples.images, held, options);
}

}  // namespace

Json evaluate_samples(const EvaluateJob& job, Progress& progress) {
  const data::ImageSet samples = data::load_images(job.samples, {.allow_empty_classes = true});
  const data::ImageSet reference = data::load_images(job.reference);
  check_same_size(samples, reference);
  OrderedJson json = job.classifier ? classified_metrics(job, samples, reference, progress)
                                    : pixel_metrics(samples, reference, job.seed);
  json["samples"] = {{"source", job.samples}, {"sha256", samples.sha256}, {"num", samples.size()}};
  json["reference"] = {
      {"source", job.reference}, {"sha256", reference.sha256}, {"num", reference.size()}};
  return Json::parse(json.dump());
}

std::string evaluation_text(const Json& evaluation) {
  const auto interval = [](const Json& j) {
    return fmt::format("{:.4f} ({:.4f} to {:.4f})", j.at("value").get<double>(),
                       j.at("low").get<double>(), j.at("high").get<double>());
  };
  std::string text;
  if (evaluation.contains("shares")) {
    text += fmt::format("{:<24} {:>8}  {:<28} {}\n", "group", "count", "share", "corrected");
    for (const Json& share : evaluation["shares"])
      text += fmt::format("{:<24} {:>8}  {:<28} {}\n", share.at("group").get<std::string>(),
                          share.at("count").get<int64_t>(), interval(share.at("raw")),
                          share.contains("corrected") ? interval(share["corrected"]) : "-");
  }
  if (evaluation.contains("total_variation"))
    text += "total variation to the reference's shares: " +
            interval(evaluation["total_variation"]["raw"]) + "\n";
  if (evaluation.contains("frechet"))
    text += fmt::format("{}: {:.5g}\n", evaluation["frechet"].at("name").get<std::string>(),
                        evaluation["frechet"].at("value").get<double>());
  if (evaluation.contains("coverage"))
    text += fmt::format("coverage: {:.4f}\n", evaluation["coverage"].at("value").get<double>());
  return text;
}

}  // namespace equipoise::pipeline
