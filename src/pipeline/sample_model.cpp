#include "pipeline/sample_model.h"

#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/model_file.h"
#include "io/files.h"
#include "io/hash.h"
#include "io/image_codec.h"
#include "io/npy.h"
#include "nets/precision.h"
#include "pipeline/stages.h"
#include "pipeline/words.h"
#include "samplers/sample_images.h"
#include "track/steady_clock.h"

namespace equipoise::pipeline {
namespace {

/// Numbers of the classes named in "K,K,…", or of the words in "WORD,WORD,…".
std::vector<int64_t> parse_classes(const std::string& text, int64_t num_classes,
                                   const std::optional<ModelWords>& words) {
  std::vector<int64_t> classes;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    if (words) {
      classes.push_back(words->table.number_of(part));
      continue;
    }
    int64_t value = -1;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 0 ||
        value >= num_classes)
      throw UsageError(
          {.where = "--class",
           .what = "not a class of this model",
           .got = "'" + part + "'",
           .expected = fmt::format("0 to {}, a list of them, or random", num_classes - 1),
           .hint = ""});
    classes.push_back(value);
  }
  return classes;
}

/// What "random" draws from: all classes, or the words that images were shown with.
std::vector<int64_t> shown_classes(int64_t num_classes, const std::optional<ModelWords>& words) {
  std::set<int64_t> shown;
  if (words)
    for (const std::vector<std::string>& own : words->by_group)
      for (const std::string& word : own) shown.insert(words->table.number_of(word));
  else
    for (int64_t label = 0; label < num_classes; ++label) shown.insert(label);
  return {shown.begin(), shown.end()};
}

/// Class or word of every seed, [N] int64; undefined for unconditional sampling.
at::Tensor choose_classes(const SampleJob& job, int64_t num_classes,
                          const std::optional<ModelWords>& words) {
  if (job.classes.empty()) return {};
  if (num_classes == 0)
    throw UsageError({.where = "--class",
                      .what = "this model is unconditional: it has no classes",
                      .got = job.classes,
                      .expected = "",
                      .hint = "Leave --class out"});
  const auto count = static_cast<int64_t>(job.seeds.size());
  at::Tensor labels = at::empty({count}, at::kLong);
  const bool is_random = job.classes == "random";
  const std::vector<int64_t> choice = is_random ? shown_classes(num_classes, words)
                                                : parse_classes(job.classes, num_classes, words);
  for (int64_t i = 0; i < count; ++i) {
    const auto number = static_cast<size_t>(i);
    labels[i] = choice[is_random ? RandomStream(job.seed_base, Purpose::kClassChoice,
                                                static_cast<uint64_t>(job.seeds[number]))
                                       .below(choice.size())
                                 : number % choice.size()];
  }
  return labels;
}

/// What the network is told of each label: a one-hot vector, or the word's.
at::Tensor condition_vectors(const at::Tensor& labels, int64_t num_classes,
                             const std::optional<ModelWords>& words) {
  if (words) return words->table.embeddings.index_select(0, labels);
  return at::one_hot(labels, num_classes).to(at::kFloat);
}

at::Tensor read_latents(const SampleJob& job, const std::vector<int64_t>& item_shape) {
  if (!job.latents) return {};
  at::Tensor latents = io::read_npy(*job.latents);
  std::vector<int64_t> expected{static_cast<int64_t>(job.seeds.size())};
  expected.insert(expected.end(), item_shape.begin(), item_shape.end());
  if (latents.sizes() != at::IntArrayRef(expected))
    throw UsageError({.where = job.latents->string(),
                      .what = "the latents do not fit the model and the number of seeds",
                      .got = fmt::format("[{}]", fmt::join(latents.sizes(), ", ")),
                      .expected = fmt::format("[{}]", fmt::join(expected, ", ")),
                      .hint = "Give as many seeds as there are latents (--num)"});
  return latents.to(at::kDouble);
}

/// What images cost: denoiser calls in all and in the attempt that succeeded, and how they spread.
nlohmann::json calls_json(const samplers::SampleResult& sampled) {
  const auto mean = [](const at::Tensor& calls) {
    return calls.to(at::kDouble).mean().item<double>();
  };
  const auto unique = at::_unique2(sampled.total_calls, /*sorted=*/true, /*return_inverse=*/false,
                                   /*return_counts=*/true);
  nlohmann::json histogram = nlohmann::json::array();
  for (int64_t i = 0; i < std::get<0>(unique).size(0); ++i)
    histogram.push_back({{"calls", std::get<0>(unique)[i].item<int64_t>()},
                         {"images", std::get<2>(unique)[i].item<int64_t>()}});
  return {{"mean", mean(sampled.total_calls)},
          {"mean_of_last_attempt", mean(sampled.last_calls)},
          {"histogram", histogram}};
}

}  // namespace

std::filesystem::path recipe_file(const std::filesystem::path& out) {
  if (out.extension() != ".npz") return out / "sampling.json";
  std::filesystem::path file = out;
  return file.replace_extension(".json");
}

void write_samples(const std::filesystem::path& out, const at::Tensor& samples,
                   const at::Tensor& labels, const std::vector<int64_t>& seeds, bool as_float) {
  const bool raw = as_float || samples.dim() == 2;
  if (out.extension() == ".npz") {
    const at::Tensor array = raw ? samples.to(at::kFloat)
                                 : samplers::to_uint8(samples).permute({0, 2, 3, 1}).contiguous();
    std::vector<std::pair<std::string, at::Tensor>> entries{{"arr_0", array}};
    if (labels.defined()) entries.emplace_back("arr_1", labels);
    io::write_npz(out, entries);
    return;
  }
  if (raw)
    throw UsageError({.where = out.string(),
                      .what = "floating-point samples cannot be written as PNG",
                      .got = "",
                      .expected = "",
                      .hint = "Name a file that ends in .npz"});
  std::filesystem::create_directories(out);
  const at::Tensor images = samplers::to_uint8(samples);
  for (size_t i = 0; i < seeds.size(); ++i)
    io::write_file_atomically(out / fmt::format("{:06}.png", seeds[i]),
                              io::encode_png(images[static_cast<int64_t>(i)]));
}

nlohmann::json sample_model(const SampleJob& job, Progress& progress) {
  const diffusion::LoadedModel loaded = diffusion::load_model(job.model);
  const nets::DataShape& shape = loaded.config.shape;
  const std::vector<int64_t> item_shape =
      shape.resolution == 0
          ? std::vector<int64_t>{shape.channels}
          : std::vector<int64_t>{shape.channels, shape.resolution, shape.resolution};
  const at::Device device(job.device);
  loaded.denoiser->to(device);
  const ReadyMethod method = prepare(job.method, job.model, shape, device);
  const std::optional<ModelWords> words = words_of_model(loaded.config, job.model.string());
  const int64_t num_classes =
      words ? static_cast<int64_t>(words->table.words.size()) : shape.label_dim;
  const at::Tensor labels = choose_classes(job, num_classes, words);
  const samplers::SampleRequest request{
      .seeds = at::tensor(job.seeds, at::kLong),
      .item_shape = item_shape,
      .seed_base = job.seed_base,
      .class_labels =
          labels.defined() ? condition_vectors(labels, num_classes, words) : at::Tensor(),
      .latents = read_latents(job, item_shape)};
  const samplers::SampleOptions options{
      .batch_size = job.batch_size, .num_threads = job.num_workers, .device = device};
  std::optional<samplers::Rejection> rejection;
  if (method.ratio) {
    const samplers::RejectionTables tables =
        method.tables ? *method.tables
                      : samplers::measure_rejection_tables(*loaded.denoiser, *method.sampler,
                                                           *method.ratio, method.rejection, request,
                                                           options, progress, method.terms);
    if (progress.stop_requested()) throw Interrupted{};
    rejection.emplace(method.ratio, method.rejection, *method.sampler, tables);
  }
  const double begun = track::steady_seconds();
  const samplers::SampleResult sampled =
      samplers::sample_images(*loaded.denoiser, *method.sampler, request, options, progress,
                              method.terms, rejection ? &*rejection : nullptr);
  if (sampled.images.size(0) < static_cast<int64_t>(job.seeds.size())) throw Interrupted{};
  const double seconds = track::steady_seconds() - begun;
  write_samples(job.out, sampled.images, labels, job.seeds, job.as_float);

  nlohmann::json recipe = nlohmann::json::parse(job.method.to_json().dump());
  recipe.update({{"model", job.model.filename().string()},
                 {"model_sha256", io::sha256_of_file(job.model)},
                 {"guidance", job.method.guidance},
                 {"guidance_sha256", method.guidance_sha256()},
                 {"num", sampled.images.size(0)},
                 {"seed_base", job.seed_base},
                 {"precision", nets::to_string(nets::precision())},
                 {"nfe", method.sampler->num_function_evaluations()},
                 {"calls", calls_json(sampled)},
                 {"network_calls",
                  {{"denoiser", sampled.network_calls.denoiser},
                   {"guidance", sampled.network_calls.guidance},
                   {"rejection", sampled.rejection.num_ratio_calls}}},
                 {"occupancy", sampled.occupancy}});
  if (words) recipe["words"] = words->table.words;
  if (rejection)
    recipe["rejection"].update({{"discriminator", method.discriminator.filename().string()},
                                {"discriminator_sha256", io::sha256_of_file(method.discriminator)},
                                {"tables", samplers::to_json(rejection->tables())},
                                {"counts", samplers::to_json(sampled.rejection)}});
  io::write_file_atomically(recipe_file(job.out), recipe.dump(1));
  recipe.update({{"seconds", seconds}, {"file", job.out.string()}});
  return recipe;
}

}  // namespace equipoise::pipeline
