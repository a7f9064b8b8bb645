#include "pipeline/evaluate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "audit/group_frame.h"
#include "audit/measure.h"
#include "audit/paired_difference.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "data/dataset_reader.h"
#include "io/hash.h"
#include "metrics/metric.h"
#include "pipeline/feature_source.h"
#include "pipeline/sample_groups.h"
#include "pipeline/statistics_file.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFormat = "equipoise-evaluation/1";
/// A covariance of more features takes half a gigabyte and its eigenvalues many minutes.
constexpr int64_t kMaxCovarianceFeatures = 4096;
constexpr int64_t kFrameReplicates = 500;
/// Bootstrap streams, apart from those of the metrics.
enum Part : uint32_t {
  kRepresentationPart = 200,
  kAccuracyPart = 202,
  kPairedSharesPart = 204,
  kPairedFrechetPart = 206,
};

bool is_covariance_metric(const std::string& name) {
  return name == "frechet" || name == "frechet_extrapolated";
}

UsageError contradiction(const std::string& where, const std::string& what,
                         const std::string& hint = "") {
  return UsageError({.where = where, .what = what, .hint = hint});
}

/// The network features are taken from; nothing for pixels.
std::optional<FeatureSource> network_source(const EvaluateJob& job) {
  const bool is_extractor =
      !job.features.empty() && job.features != "pixels" && job.features != "classifier";
  if (job.weights && !is_extractor)
    throw contradiction("--weights", "weights are for a network that --features names");
  if (is_extractor) return extractor_source(job.features, job.weights);
  if (job.features == "classifier" && !job.classifier)
    throw contradiction("--features", "there is no classifier", "--classifier C.safetensors");
  if (job.classifier && job.features != "pixels") return classifier_source(*job.classifier);
  return std::nullopt;
}

data::ImageSet load_set(const std::string& spec, bool allow_empty_classes = true) {
  data::ImageSet set = data::load_images(spec, {.allow_empty_classes = allow_empty_classes});
  if (set.size() < 2)
    throw DataError({.where = spec,
                     .what = "a set of one image has no distances to measure",
                     .got = "1 image",
                     .expected = "2 at least, better some hundreds"});
  return set;
}

void check_same_size(const data::ImageSet& samples, const data::ImageSet& reference) {
  if (samples.images.sizes().slice(1) == reference.images.sizes().slice(1)) return;
  throw DataError(
      {.where = samples.source,
       .what = "samples and reference differ in image size",
       .got = fmt::format("[{}]", fmt::join(samples.images.sizes().slice(1), ", ")),
       .expected = fmt::format("[{}]", fmt::join(reference.images.sizes().slice(1), ", ")),
       .hint = ""});
}

void warn_of_equal_images(const data::ImageSet& set, Progress& progress) {
  if (set.images.eq(set.images[0]).all().item<bool>())
    progress.message(
        fmt::format("all {} images of {} are equal: a model that has collapsed, or a "
                    "damaged file",
                    set.size(), set.source));
}

void warn_of_few_images(int64_t num_samples, std::optional<int64_t> num_reference,
                        int64_t num_features, Progress& progress) {
  if (std::min(num_samples, num_reference.value_or(num_samples)) > num_features) return;
  progress.message(fmt::format(
      "{} samples{} for {} features: the Fréchet distance is mostly its floor at so few; read kid, "
      "which has no such bias",
      num_samples, num_reference ? fmt::format(" and {} reference images", *num_reference) : "",
      num_features));
}

OrderedJson set_json(const std::string& spec, const data::ImageSet& set) {
  return {{"source", spec}, {"sha256", set.sha256}, {"num", set.size()}};
}

/// Samples and their features, groups and all the rest.
class Evaluation {
 public:
  Evaluation(const EvaluateJob& job, Progress& progress)
      : job_(job),
        extraction_{.num_workers = job.num_workers, .progress = &progress, .cache = job.cache},
        progress_(progress) {
    audit::check_metrics({.metrics = job.metrics, .metric_options = job.metric_options});
    if (const auto source = network_source(job)) source_ = *source;
  }

  OrderedJson against_images() {
    samples_ = load_set(job_.samples);
    reference_ = load_set(job_.reference, /*allow_empty_classes=*/false);
    check_same_size(samples_, reference_);
    for (const data::ImageSet* set : {&samples_, &reference_})
      warn_of_equal_images(*set, progress_);
    find_reference_groups();
    choose_pixels_where_no_network(samples_);
    sample_features_ = features_of(samples_, source_, extraction_);
    reference_features_ = features_of(reference_, source_, extraction_);
    find_sample_groups();
    OrderedJson json = measured(image_input());
    add_frames(json);
    if (job_.class_wise) add_groups_apart(json);
    if (!job_.against.empty()) json["paired"] = paired();
    if (groups_) json["groups"] = groups_json();
    json["reference"] = set_json(job_.reference, reference_);
    if (job_.save_stats)
      save_statistics(*job_.save_stats, metrics::moments_of(reference_features_.features),
                      source_.recipe);
    return finished(std::move(json));
  }

  OrderedJson against_statistics() {
    refuse_what_needs_reference_images();
    const FeatureStatistics statistics = read_statistics(job_.reference);
    samples_ = load_set(job_.samples);
    warn_of_equal_images(samples_, progress_);
    choose_pixels_where_no_network(samples_);
    sample_features_ = features_of(samples_, source_, extraction_);
    check_same_features(statistics);
    metrics::MetricInput input = sample_input();
    input.reference_moments = metrics::ReferenceMoments{.mean = statistics.mean,
                                                        .covariance = statistics.covariance,
                                                        .num_images = statistics.num_images};
    OrderedJson json = measured(input);
    json["reference"] = {
        {"source", job_.reference},
        {"sha256", io::sha256_of_file(job_.reference)},
        {"num", statistics.num_images ? OrderedJson(*statistics.num_images) : OrderedJson(nullptr)},
        {"what", "mean and covariance"}};
    return finished(std::move(json));
  }

  int64_t save_reference_statistics() {
    reference_ = load_set(job_.reference, /*allow_empty_classes=*/false);
    choose_pixels_where_no_network(reference_);
    save_statistics(*job_.save_stats, moments_of(reference_, source_, extraction_), source_.recipe);
    return reference_.size();
  }

 private:
  void choose_pixels_where_no_network(const data::ImageSet& set) {
    if (!source_.function) source_ = pixel_source(set.is_vectors());
  }

  // Groups.

  std::string attribute() const {
    const bool is_wanted = job_.classifier || job_.class_wise;
    return job_.group.empty() && is_wanted ? "class" : job_.group;
  }
  bool source_is_classifier() const { return !source_.class_names.empty(); }

  /// All that can be refused before anything is computed.
  void find_reference_groups() {
    if (attribute().empty()) {
      if (job_.target != "reference")
        throw contradiction("--target", "a target needs groups",
                            "--group ATTRIBUTE or --classifier C.safetensors");
      return;
    }
    if (job_.classifier) {
      classifier_ = source_is_classifier() ? source_ : classifier_source(*job_.classifier);
      groups_ = classified_groups(reference_, attribute(), classifier_.class_names);
    } else {
      groups_ = labelled_groups(samples_, reference_, attribute());
    }
    target_ = target_shares(job_.target, *groups_);
  }

  metrics::Features classified(const data::ImageSet& set, const metrics::Features& features) const {
    return source_is_classifier() ? features : features_of(set, classifier_, extraction_);
  }

  void find_sample_groups() {
    if (!groups_ || !job_.classifier) return;
    groups_->sample_codes = classified(samples_, sample_features_).predicted_groups();
    groups_->reference_predicted = classified(reference_, reference_features_).predicted_groups();
  }

  int64_t num_groups() const { return static_cast<int64_t>(groups_->names.size()); }

  OrderedJson groups_json() const {
    OrderedJson json{
        {"attribute", groups_->attribute},
        {"names", groups_->names},
        {"samples_by", groups_->source},
        {"target", {{"stated", job_.target}, {"shares", target_}}},
        {"num_reference", metrics::count_groups(groups_->reference_codes, num_groups())}};
    if (job_.classifier) json["classifier"] = classifier_.recipe;
    return json;
  }

  // Metrics.

  audit::MeasureOptions measure_options() const {
    audit::MeasureOptions options{.metrics = job_.metrics,
                                  .metric_options = job_.metric_options,
                                  .num_workers = job_.num_workers};
    if (options.metrics.empty() && num_features() > kMaxCovarianceFeatures)
      std::ranges::remove_copy_if(metrics::MetricRegistry::instance().names(),
                                  std::back_inserter(options.metrics), is_covariance_metric);
    return options;
  }
  int64_t num_features() const { return sample_features_.features.size(1); }

  metrics::MetricInput sample_input() const {
    metrics::MetricInput input;
    input.sample_features = sample_features_.features;
    input.feature_recipe = source_.text;
    input.features_are_fid_inception = source_.is_fid_inception;
    input.sample_logits = sample_features_.logits;
    input.logit_recipe = source_.text;
    input.logits_are_fid_inception = source_.is_fid_inception;
    input.seed = job_.seed;
    return input;
  }

  metrics::MetricInput image_input() const {
    metrics::MetricInput input = sample_input();
    input.reference_features = reference_features_.features;
    if (!groups_) return input;
    input.counts = metrics::count_groups(groups_->sample_codes, num_groups());
    input.group_names = groups_->names;
    input.target = target_;
    input.confusion = confusion_of(*groups_);
    return input;
  }

  OrderedJson measured(const metrics::MetricInput& input) {
    const audit::MeasureOptions options = measure_options();
    OrderedJson json = audit::measure(input, options);
    if (!job_.metrics.empty() && !json.at("skipped").empty()) {
      const OrderedJson& first = json.at("skipped").front();
      throw UsageError({.where = "--metrics",
                        .what = fmt::format("'{}' cannot be measured here: it lacks {}",
                                            first.at("metric").get<std::string>(),
                                            first.at("missing").get<std::string>())});
    }
    if (options.metrics != job_.metrics)
      for (const char* name : {"frechet", "frechet_extrapolated"})
        json["skipped"].push_back(
            {{"metric", name},
             {"missing", fmt::format("{} features at most, for a covariance; there are {}",
                                     kMaxCovarianceFeatures, num_features())}});
    if (!input.counts.empty()) json["counts"] = input.counts;
    if (json.contains("frechet"))
      warn_of_few_images(input.sample_features.size(0),
                         input.reference_features.defined()
                             ? std::optional(input.reference_features.size(0))
                             : input.reference_moments->num_images,
                         num_features(), progress_);
    return json;
  }

  metrics::BootstrapOptions bootstrap(uint32_t part, int64_t num_replicates) const {
    return {.num_replicates = num_replicates, .seed = job_.seed, .part = part};
  }

  void add_frames(OrderedJson& json) const {
    if (!groups_) return;
    json["group_frames"]["representation"] = audit::representation_frame(
        metrics::count_groups(groups_->sample_codes, num_groups()), confusion_of(*groups_), target_,
        groups_->names, bootstrap(kRepresentationPart, kFrameReplicates));
    if (!groups_->reference_predicted.defined()) return;
    const at::Tensor is_right =
        groups_->reference_predicted.eq(groups_->reference_codes).to(at::kDouble);
    json["group_frames"]["accuracy"] =
        audit::mean_frame(is_right, groups_->reference_codes, groups_->names,
                          {.bootstrap = bootstrap(kAccuracyPart, kFrameReplicates)});
  }

  void add_groups_apart(OrderedJson& json) {
    OrderedJson apart = audit::measure_by_group(image_input(),
                                                {.names = groups_->names,
                                                 .sample_groups = groups_->sample_codes,
                                                 .reference_groups = groups_->reference_codes,
                                                 .min_images = job_.min_group},
                                                json, measure_options());
    json["by_group"] = std::move(apart["by_group"]);
    json["group_frames"].update(apart["group_frames"]);
    for (const OrderedJson& group : json["by_group"]["left_out"])
      progress_.message(
          fmt::format("group '{}' is left out of the numbers of groups apart: {} "
                      "samples and {} reference images, fewer than {}",
                      group.at("group").get<std::string>(), group.at("num_samples").get<int64_t>(),
                      group.at("num_reference").get<int64_t>(), job_.min_group));
  }

  // The other model.

  OrderedJson paired() {
    data::ImageSet other = load_set(job_.against);
    check_same_size(other, reference_);
    if (other.size() != samples_.size())
      throw DataError({.where = job_.against,
                       .what = "samples of the same latents come in equal numbers",
                       .got = std::to_string(other.size()),
                       .expected = std::to_string(samples_.size())});
    const metrics::Features features = features_of(other, source_, extraction_);
    OrderedJson json{{"against", set_json(job_.against, other)}};
    if (groups_) json["total_variation"] = paired_shares(other, features);
    if (num_features() <= kMaxCovarianceFeatures)
      json["frechet"] = audit::to_json(audit::paired_frechet(
          sample_features_.features, features.features,
          metrics::FrechetReference(metrics::moments_of(reference_features_.features)),
          bootstrap(kPairedFrechetPart, frechet_replicates())));
    return json;
  }

  OrderedJson paired_shares(const data::ImageSet& other, const metrics::Features& features) const {
    const at::Tensor groups = job_.classifier
                                  ? classified(other, features).predicted_groups()
                                  : labelled_groups(other, reference_, attribute()).sample_codes;
    return audit::to_json(audit::paired_total_variation(groups_->sample_codes, groups, target_,
                                                        bootstrap(kPairedSharesPart, 1000)));
  }

  int64_t frechet_replicates() const {
    return job_.metric_options.value(Json::json_pointer("/frechet/bootstrap"), int64_t{200});
  }

  // Statistics in place of images.

  void refuse_what_needs_reference_images() const {
    const bool is_asked = job_.classifier || !job_.group.empty() || job_.class_wise ||
                          !job_.against.empty() || job_.save_stats || job_.target != "reference";
    if (is_asked)
      throw contradiction("--reference",
                          "a file of mean and covariance serves for the Fréchet distance alone",
                          "Give the reference images to measure groups or other metrics");
  }

  void check_same_features(const FeatureStatistics& statistics) const {
    if (!statistics.recipe.is_null() && statistics.recipe != source_.recipe)
      throw DataError({.where = job_.reference,
                       .what = "these statistics are of other features, and no distance to them "
                               "means anything",
                       .got = statistics.recipe.dump(),
                       .expected = source_.recipe.dump()});
    if (statistics.mean.numel() != num_features())
      throw DataError({.where = job_.reference,
                       .what = "these statistics are of another number of features",
                       .got = std::to_string(statistics.mean.numel()),
                       .expected = std::to_string(num_features()),
                       .hint = "Name the features they were made of with --features"});
    if (statistics.recipe.is_null())
      progress_.message(fmt::format("{} does not say what features it is of; they are taken for {}",
                                    job_.reference, source_.text));
  }

  /// The recipe of every number, and what the samples were.
  OrderedJson finished(OrderedJson json) const {
    json["format"] = kFormat;
    json["samples"] = set_json(job_.samples, samples_);
    const OrderedJson& reference = json.at("reference");
    json["recipe"] = {{"program", "equipoise " EQUIPOISE_VERSION},
                      {"features", source_.recipe},
                      {"dtype", "features float32, statistics float64"},
                      {"num_samples", samples_.size()},
                      {"num_reference", reference.at("num")},
                      {"samples_sha256", samples_.sha256},
                      {"reference_sha256", reference.at("sha256")},
                      {"seed", job_.seed}};
    for (OrderedJson& entry : json)
      if (entry.is_object() && entry.contains("recipe"))
        entry["recipe"]["reference_sha256"] = reference.at("sha256");
    return json;
  }

  const EvaluateJob& job_;
  ExtractionOptions extraction_;
  Progress& progress_;
  FeatureSource source_, classifier_;
  data::ImageSet samples_, reference_;
  metrics::Features sample_features_, reference_features_;
  std::optional<SampleGroups> groups_;
  std::vector<double> target_;
};

}  // namespace

Json evaluate_samples(const EvaluateJob& job, Progress& progress) {
  Evaluation evaluation(job, progress);
  const OrderedJson json = is_statistics_file(job.reference) ? evaluation.against_statistics()
                                                             : evaluation.against_images();
  return Json::parse(json.dump());
}

int64_t save_reference_statistics(const EvaluateJob& job, Progress& progress) {
  return Evaluation(job, progress).save_reference_statistics();
}

}  // namespace equipoise::pipeline
