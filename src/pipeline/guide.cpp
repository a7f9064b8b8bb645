#include "pipeline/guide.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/config.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "data/batch_source.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/model_file.h"
#include "io/files.h"
#include "io/hash.h"
#include "io/npy.h"
#include "nets/adm_discriminator.h"
#include "pipeline/sample_model.h"
#include "pipeline/stages.h"
#include "pipeline/words.h"
#include "reweight/ratio_diagnostics.h"
#include "train/discriminator_task.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

constexpr int64_t kFirstSeed = int64_t{1} << 41;
constexpr int64_t kMaxValidation = 1000;
constexpr uint32_t kStream = 8;  // of the shuffled sets; the real images' is the next

/// Samples and real images as one set, the samples first.
struct Contest {
  std::shared_ptr<data::ImageSet> set;
  at::Tensor generated_train, generated_validation, real_train, real_validation;
};

/// Row numbers first … first + count - 1 in random order, cut in validation and training.
void cut(int64_t first, int64_t count, double share, RandomStream stream, at::Tensor& train,
         at::Tensor& validation) {
  const at::Tensor order = first + random_permutation(stream, count);
  const auto wanted = static_cast<int64_t>(share * static_cast<double>(count));
  const int64_t num_validation = std::clamp<int64_t>(wanted, 1, kMaxValidation);
  validation = order.slice(0, 0, num_validation);
  train = order.slice(0, num_validation);
}

Contest make_contest(const GuideJob& job, const at::Tensor& generated,
                     const at::Tensor& generated_labels, bool is_conditional) {
  const at::Tensor& real = job.real.images;
  if (generated.sizes().slice(1) != real.sizes().slice(1))
    throw UsageError({.where = job.model.string(),
                      .what = "the real images do not fit the model",
                      .got = fmt::format("[{}]", fmt::join(real.sizes().slice(1), ", ")),
                      .expected = fmt::format("[{}]", fmt::join(generated.sizes().slice(1), ", ")),
                      .hint = ""});
  Contest contest;
  contest.set = std::make_shared<data::ImageSet>();
  contest.set->images = at::cat({generated, real.to(generated.scalar_type())});
  if (is_conditional) contest.set->labels = at::cat({generated_labels, job.real.labels});
  contest.set->source = job.model.string();
  cut(0, generated.size(0), job.config.validation, {job.seed, Purpose::kSplit, 4, 0},
      contest.generated_train, contest.generated_validation);
  cut(generated.size(0), real.size(0), job.config.validation, {job.seed, Purpose::kSplit, 4, 1},
      contest.real_train, contest.real_validation);
  return contest;
}

/// Samples that lie there already must be of this model and solver; without a recipe the user
/// vouches for them.
void check_generated(const GuideJob& job) {
  const std::filesystem::path file = recipe_file(job.generated);
  if (!std::filesystem::exists(file)) return;
  const Json recipe = Json::parse(io::read_file(file), nullptr, /*allow_exceptions=*/false);
  const std::pair<std::string, Json> all[] = {{"model_sha256", io::sha256_of_file(job.model)},
                                              {"sampler", job.method.sampler},
                                              {"guidance", job.method.guidance}};
  for (const auto& [key, expected] : all)
    if (!recipe.is_object() || recipe.value(key, Json()) != expected)
      throw UsageError(
          {.where = job.generated.string(),
           .what = "these samples were not made by this model with this solver: " + key,
           .got = recipe.is_object() ? recipe.value(key, Json()).dump() : "no recipe",
           .expected = expected.dump(),
           .hint = "Name another file, or delete this one to have it made"});
}

/// The model's samples, drawn unless they lie there already.
std::map<std::string, at::Tensor> generated_samples(const GuideJob& job, bool is_conditional,
                                                    Progress& progress) {
  if (std::filesystem::exists(job.generated)) {
    check_generated(job);
  } else {
    std::vector<int64_t> seeds(static_cast<size_t>(job.config.generated));
    for (size_t i = 0; i < seeds.size(); ++i) seeds[i] = kFirstSeed + static_cast<int64_t>(i);
    sample_model({.model = job.model,
                  .out = job.generated,
                  .seeds = seeds,
                  .method = job.method,
                  .classes = is_conditional ? "random" : "",
                  .latents = {},
                  .seed_base = job.seed,
                  .num_workers = job.num_workers,
                  .device = job.device},
                 progress);
  }
  auto arrays = io::read_npz(job.generated);
  for (const char* name : {"arr_0", "arr_1"})
    if (!arrays.contains(name) && (is_conditional || std::string_view(name) == "arr_0"))
      throw DataError(
          {.where = job.generated.string(),
           .what = "not samples of this model",
           .got = std::string("no array ") + name,
           .expected = is_conditional ? "images arr_0 and their classes arr_1" : "images arr_0",
           .hint = ""});
  at::Tensor& images = arrays.at("arr_0");
  if (images.dim() == 4) images = images.permute({0, 3, 1, 2}).contiguous();
  return arrays;
}

}  // namespace

void GuideConfig::fields(FieldVisitor& f) {
  f("generated", generated, "images", "samples of the model the discriminator learns from",
    {10, 1e9});
  f("validation", validation, "", "share of both sets kept to choose the snapshot by", {0.01, 0.9});
  f.choice("time_law", time_law, {"log_uniform_sigma", "uniform_time"},
           "how training draws noise levels");
  f.choice("time_map", time_map, {"linear", "cosine"},
           "time value shown to the network at a noise level");
  f("extractor", extractor, "",
    "safetensors file of a pretrained encoder for network type ADM; empty = none");
  f.group("augment", augment, "geometric augmentation of both sets");
  f.group("train", train, "the training loop");
}

nlohmann::json train_guide(const GuideJob& job, Progress& progress) {
  const at::Device device(job.device);
  const diffusion::ModelConfig model = diffusion::load_model(job.model).config;
  nets::DataShape shape = model.shape;
  // Real images are labelled with classes, never with words.
  const bool is_conditional = shape.label_dim > 0 && job.real.labels.defined() &&
                              !words_of_model(model, job.model.string());
  const auto generated = generated_samples(job, shape.label_dim > 0, progress);
  if (!is_conditional) shape.label_dim = 0;
  const Contest contest =
      make_contest(job, generated.at("arr_0"),
                   is_conditional ? generated.at("arr_1") : at::Tensor(), is_conditional);
  nets::NetworkConfig network_config = job.config.network;
  if (is_conditional) network_config["condition"] = true;
  const auto network = nets::make_discriminator_network(network_config, shape, job.seed);
  nets::load_extractor(*network, job.config.extractor);
  network->to(device);
  const reweight::RatioLaw law{.time_law = job.config.time_law, .time_map = job.config.time_map};
  const at::Tensor fake = contest.set->normalised(contest.generated_validation),
                   real = contest.set->normalised(contest.real_validation);
  const at::Tensor validation = at::cat({contest.generated_validation, contest.real_validation});
  const train::DiscriminatorTask task(
      {.network = network,
       .source = std::make_shared<data::BatchSource>(
           contest.set, contest.generated_train, contest.real_train,
           data::BatchSource::Options{.law = data::Law::kHalfAndHalf,
                                      .seed = job.seed,
                                      .first_stream_id = kStream,
                                      .augment = job.config.augment}),
       .law = law,
       .seed = job.seed,
       .heldout = at::cat({fake, real}),
       .heldout_labels = at::cat({at::zeros({fake.size(0)}), at::ones({real.size(0)})}).to(device),
       .device = device,
       .num_classes = shape.label_dim,
       .heldout_classes =
           is_conditional ? contest.set->labels.index_select(0, validation) : at::Tensor()});
  std::filesystem::path checkpoint = job.out;
  checkpoint.replace_extension(".checkpoint.safetensors");
  const train::TrainResult result =
      train::run_loop(task, network->trainable_parameters(), job.config.train,
                      {.checkpoint = checkpoint, .resume = job.resume, .on_tick = job.on_tick},
                      "train discriminator", progress);
  if (result.interrupted) throw Interrupted{};
  diffusion::save_discriminator(
      job.out, nets::state_of(*network),
      {.shape = shape,
       .network = network_config,
       .extra = to_json(diffusion::DiscriminatorUse{.time_map = law.time_map})});
  std::filesystem::remove(checkpoint);

  Json json{{"file", job.out.filename().string()},
            {"sha256", io::sha256_of_file(job.out)},
            {"num_parameters", nets::num_parameters(*network)},
            {"num_generated", generated.at("arr_0").size(0)},
            {"num_real", job.real.images.size(0)},
            {"curve", train::to_json(result.curve)},
            {"snapshot_images", result.snapshot_images},
            {"heldout_bce", result.heldout_loss}};
  const auto one_hot = [&](const at::Tensor& rows) {
    return is_conditional ? at::one_hot(contest.set->labels.index_select(0, rows), shape.label_dim)
                                .to(device, at::kFloat)
                          : at::Tensor();
  };
  const diffusion::LoadedRatio loaded = diffusion::load_discriminator_ratio(job.out, device);
  const reweight::RatioReport report =
      reweight::diagnose_ratio(*loaded.ratio, fake.to(device), real.to(device),
                               {.name = "guide",
                                .time_dependent = true,
                                .seed = job.seed,
                                .biased_labels = one_hot(contest.generated_validation),
                                .reference_labels = one_hot(contest.real_validation)});
  json["levels"] = Json::parse(report.to_json().dump()).at("levels");
  return json;
}

}  // namespace equipoise::pipeline
