#include "pipeline/minority.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "data/batch_source.h"
#include "data/dataset_reader.h"
#include "diffusion/model_file.h"
#include "diffusion/noisy_classifier.h"
#include "io/files.h"
#include "io/hash.h"
#include "io/json_lines.h"
#include "io/npy.h"
#include "nets/adm_discriminator.h"
#include "nets/extractors/lpips.h"
#include "pipeline/sample_model.h"
#include "pipeline/stages.h"
#include "train/noisy_classifier_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kStream = 10;
constexpr double kAccuracyLevels[] = {0.1, 0.5, 1, 2, 5, 10};

guidance::RestorationDistance lpips_distance(const LpipsFiles& files, Json& recipe) {
  const auto lpips = std::make_shared<nets::Lpips>(
      nets::Lpips::read(files.backbone, files.backbone_weights, files.heads));
  recipe["distance"] = {{"name", "LPIPS " + lpips->backbone()},
                        {"backbone_sha256", lpips->backbone_sha256()},
                        {"heads_sha256", lpips->heads_sha256()}};
  return {.name = "LPIPS " + lpips->backbone(),
          .measure = [lpips](const at::Tensor& clean, const at::Tensor& restored) {
            return lpips->distance(clean, restored);
          }};
}

/// |f(a) - f(b)|^2, f a classifier's features: large where restoring an image makes another thing
/// of it.
guidance::RestorationDistance feature_distance(const std::filesystem::path& file,
                                               const nets::DataShape& images, Json& recipe) {
  const diffusion::LoadedClassifier loaded = diffusion::load_classifier(file);
  nets::DataShape known = loaded.description.shape;
  known.label_dim = 0;  // its classes need not be the model's
  diffusion::check_fits(known, images, file.string());
  const std::string name = "squared distance of a classifier's features";
  recipe["distance"] = {{"name", name}, {"classifier_sha256", io::sha256_of_file(file)}};
  return {
      .name = name,
      .measure = [network = loaded.network](const at::Tensor& clean, const at::Tensor& restored) {
        return (network->features(clean) - network->features(restored)).square().sum(1);
      }};
}

guidance::RestorationDistance make_distance(const MinorityScoreJob& job,
                                            const nets::DataShape& images, Json& recipe) {
  if (job.lpips && job.classifier)
    throw UsageError({.where = "minority score",
                      .what = "one distance at a time",
                      .got = "LPIPS and a classifier",
                      .expected = "either",
                      .hint = ""});
  if (job.lpips) return lpips_distance(*job.lpips, recipe);
  if (job.classifier) return feature_distance(*job.classifier, images, recipe);
  recipe["distance"] = {{"name", guidance::squared_error().name}};
  return guidance::squared_error();
}

Json read_recipe(const std::filesystem::path& npz) {
  return io::parse_json(io::read_file(recipe_file(npz)), recipe_file(npz).string());
}

at::Tensor read_array(const std::filesystem::path& npz, const std::string& name) {
  const auto arrays = io::read_npz(npz);
  const auto found = arrays.find(name);
  if (found != arrays.end()) return found->second;
  throw DataError({.where = npz.string(),
                   .what = "no array '" + name + "'",
                   .got = "",
                   .expected = "a file of 'equipoise minority'",
                   .hint = ""});
}

/// A share of every bin's images for validation, the rest for training.
struct Parts {
  at::Tensor training, validation;
};

Parts split_by_bin(const at::Tensor& labels, int64_t num_bins, double share, uint64_t seed) {
  std::vector<at::Tensor> training, validation;
  for (int64_t bin = 0; bin < num_bins; ++bin) {
    const at::Tensor members = (labels == bin).nonzero().squeeze(1);
    if (members.size(0) < 2)
      throw UsageError({.where = "minority bins",
                        .what = fmt::format("bin {} cannot be split", bin),
                        .got = fmt::format("{} images", members.size(0)),
                        .expected = "2 at least",
                        .hint = "Use fewer bins"});
    const at::Tensor order = members.index_select(
        0, random_permutation({seed, Purpose::kSplit, 5, static_cast<uint32_t>(bin)},
                              members.size(0)));
    const int64_t count = std::clamp<int64_t>(
        std::llround(share * static_cast<double>(order.size(0))), 1, order.size(0) - 1);
    validation.push_back(order.slice(0, 0, count));
    training.push_back(order.slice(0, count));
  }
  return {at::cat(training), at::cat(validation)};
}

/// Share of held-out images whose bin is found, by noise level.
Json accuracy_by_level(const diffusion::LabelPosterior& posterior, const at::Tensor& images,
                       const at::Tensor& labels, uint64_t seed) {
  const at::NoGradGuard no_grad;
  Json levels = Json::array();
  for (const double level : kAccuracyLevels) {
    int64_t num_right = 0;
    constexpr int64_t kChunk = 64;
    for (int64_t start = 0; start < images.size(0); start += kChunk) {
      const int64_t end = std::min(start + kChunk, images.size(0));
      const at::Tensor clean = images.slice(0, start, end);
      const at::Tensor noise =
          random_normal(seed, Purpose::kEvaluation, at::arange(start, end, at::kLong),
                        clean.sizes().slice(1), /*part=*/2);
      const at::Tensor found =
          posterior
              .log_posterior(clean + level * noise, at::full({end - start}, level, at::kDouble))
              .argmax(1);
      num_right += (found.to(at::kCPU) == labels.slice(0, start, end)).sum().item<int64_t>();
    }
    levels.push_back(
        {{"sigma", level},
         {"accuracy", static_cast<double>(num_right) / static_cast<double>(images.size(0))}});
  }
  return levels;
}

}  // namespace

nlohmann::json score_minority(const MinorityScoreJob& job, Progress& progress) {
  const diffusion::LoadedModel loaded = diffusion::load_model(job.model);
  const data::ImageSet set = data::load_images(job.images);
  const bool is_image = !set.is_vectors();
  diffusion::check_fits(loaded.config.shape,
                        {.resolution = is_image ? set.images.size(2) : 0,
                         .channels = set.images.size(1),
                         .label_dim = loaded.config.shape.label_dim},
                        job.model.string());
  Json recipe{{"model", job.model.filename().string()},
              {"model_sha256", io::sha256_of_file(job.model)},
              {"images", job.images},
              {"images_sha256", set.sha256},
              {"num", set.size()},
              {"seed", job.seed}};
  const guidance::RestorationDistance distance = make_distance(job, loaded.config.shape, recipe);
  recipe.update(Json::parse(to_json(job.config).dump()));
  const at::Tensor scores = guidance::minority_scores(
      *loaded.denoiser, set.images, distance, job.config, job.seed, job.num_workers, progress);
  if (progress.stop_requested()) throw Interrupted{};
  io::write_npz(job.out, {{"scores", scores}});
  io::write_file_atomically(recipe_file(job.out), recipe.dump(1));
  return recipe;
}

nlohmann::json label_minority(const std::filesystem::path& scores, int64_t num_bins,
                              const std::filesystem::path& out) {
  const guidance::MinorityBins bins =
      guidance::minority_bins(read_array(scores, "scores"), num_bins);
  Json recipe = read_recipe(scores);
  recipe.update({{"num_bins", num_bins}, {"sizes", bins.sizes}, {"thresholds", bins.thresholds}});
  io::write_npz(
      out, {{"labels", bins.labels}, {"thresholds", at::tensor(bins.thresholds, at::kDouble)}});
  io::write_file_atomically(recipe_file(out), recipe.dump(1));
  return recipe;
}

void MinorityTrainConfig::fields(FieldVisitor& f) {
  f("validation", validation, "", "share of every bin kept to choose the snapshot by", {0.01, 0.9});
  f.choice("time_law", time_law, {"uniform_time", "log_uniform_sigma"},
           "how training draws noise levels");
  f.choice("time_map", time_map, {"linear", "cosine"},
           "time value shown to the network at a noise level");
  f("extractor", extractor, "",
    "safetensors file of a pretrained encoder for network type ADM; empty = none");
  f.group("augment", augment, "geometric augmentation");
  f.group("train", train, "the training loop");
}

nlohmann::json train_minority(const MinorityTrainJob& job, Progress& progress) {
  auto set = std::make_shared<data::ImageSet>(data::load_images(job.images));
  const Json recipe = read_recipe(job.bins);
  if (recipe.value("images_sha256", "") != set->sha256)
    throw DataError({.where = job.bins.string(),
                     .what = "these bins are those of other images",
                     .got = recipe.value("images", ""),
                     .expected = job.images,
                     .hint = "Score these images with 'equipoise minority score'"});
  set->labels = read_array(job.bins, "labels");
  const auto num_bins = recipe.at("num_bins").get<int64_t>();
  const Parts parts = split_by_bin(set->labels, num_bins, job.config.validation, job.seed);
  const at::Tensor heldout = set->normalised(parts.validation);
  const at::Tensor heldout_labels = set->labels.index_select(0, parts.validation);

  const nets::DataShape shape{.resolution = set->is_vectors() ? 0 : set->images.size(2),
                              .channels = set->images.size(1)};
  nets::NetworkConfig network_config = job.config.network;
  network_config["outputs"] = num_bins;
  const at::Device device(job.device);
  const auto network = nets::make_discriminator_network(network_config, shape, job.seed);
  nets::load_extractor(*network, job.config.extractor);
  network->to(device);
  const train::NoisyClassifierTask task(
      {.network = network,
       .source = std::make_shared<data::BatchSource>(
           set, parts.training, at::empty({0}, at::kLong),
           data::BatchSource::Options{.law = data::Law::kBiased,
                                      .seed = job.seed,
                                      .first_stream_id = kStream,
                                      .augment = job.config.augment}),
       .law = {.time_law = job.config.time_law, .time_map = job.config.time_map},
       .seed = job.seed,
       .heldout = heldout,
       .heldout_labels = heldout_labels,
       .device = device});
  std::filesystem::path checkpoint = job.out;
  checkpoint.replace_extension(".checkpoint.safetensors");
  const train::TrainResult result =
      train::run_loop(task, network->trainable_parameters(), job.config.train,
                      {.checkpoint = checkpoint, .resume = job.resume, .on_tick = {}},
                      "train minority classifier", progress);
  if (result.interrupted) throw Interrupted{};
  std::vector<std::string> names;
  for (int64_t bin = 0; bin < num_bins; ++bin) names.push_back(fmt::format("bin {}", bin));
  diffusion::save_noisy_classifier(job.out, nets::state_of(*network),
                                   {.shape = shape,
                                    .network = network_config,
                                    .extra = to_json(diffusion::NoisyClassifierUse{
                                        .time_map = job.config.time_map, .labels = names})},
                                   {{"bins", recipe.dump()}});
  std::filesystem::remove(checkpoint);
  const auto loaded = diffusion::load_label_posterior(job.out, device);
  return {{"file", job.out.filename().string()},
          {"sha256", io::sha256_of_file(job.out)},
          {"bins", recipe},
          {"curve", train::to_json(result.curve)},
          {"heldout_loss", result.heldout_loss},
          {"accuracy",
           accuracy_by_level(*loaded.posterior, heldout.to(device), heldout_labels, job.seed)}};
}

}  // namespace equipoise::pipeline
