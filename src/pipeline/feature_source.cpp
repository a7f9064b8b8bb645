#include "pipeline/feature_source.h"

#include <map>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/named_options.h"
#include "core/spelling.h"
#include "diffusion/model_file.h"
#include "io/hash.h"
#include "io/tensor_cache.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

/// Raise the number when what a network computes, or how it is read, changes.
constexpr const char* kCacheFormat = "equipoise-features/1";

Json cache_key(const data::ImageSet& set, const FeatureSource& source) {
  return {{"format", kCacheFormat},
          {"images_sha256", io::sha256_of_tensor(set.images)},
          {"recipe", source.recipe}};
}

metrics::Features compute(const data::ImageSet& set, const FeatureSource& source,
                          const ExtractionOptions& options) {
  return metrics::extract_features(
      source.function, set.images,
      {.num_workers = options.num_workers, .progress = options.progress});
}

std::string resize_of(const std::string& spec, std::string& name) {
  const Json named = parse_named_options(spec, "--features");
  name = named.at("type").get<std::string>();
  nets::FeatureExtractorRegistry::instance().find(name);
  const Json options = options_of(named);
  std::string resize;
  for (const auto& [key, value] : options.items()) {
    if (key != "resize") throw unknown_name("option of --features", key, {"resize"});
    resize = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return resize;
}

/// True for what published FIDs are computed with, as far as it can be known.
bool is_fid_inception(const nets::ExtractorRecipe& recipe) {
  return recipe.name == "inception_fid" && recipe.resize == nets::ResizeMode::kTfBilinear;
}

}  // namespace

FeatureSource pixel_source(bool is_vectors) {
  return {.function =
              [](const at::Tensor& images) {
                return metrics::Features{.features = data::normalised(images).flatten(1),
                                         .logits = {}};
              },
          .recipe = {{"name", is_vectors ? "vectors" : "pixels"}},
          .text = is_vectors ? "the vectors themselves" : "pixels, x / 127.5 - 1"};
}

FeatureSource classifier_source(const std::filesystem::path& classifier) {
  const diffusion::LoadedClassifier loaded = diffusion::load_classifier(classifier);
  loaded.network->eval();
  const std::string sha256 = io::sha256_of_file(classifier);
  return {
      .function = [network = loaded.network, compute = metrics::feature_function(*loaded.network)](
                      const at::Tensor& images) { return compute(images); },
      .recipe = {{"name", "classifier"},
                 {"layer", "penultimate"},
                 {"num_features", loaded.network->feature_dim()},
                 {"resize", "none"},
                 {"weights_sha256", sha256}},
      .text = "classifier, penultimate layer, sha256 " + sha256,
      .class_names =
          diffusion::class_names(loaded.description.extra, loaded.description.shape.label_dim)};
}

FeatureSource extractor_source(const std::string& spec,
                               const std::optional<std::filesystem::path>& weights) {
  std::string name;
  const std::string resize = resize_of(spec, name);
  if (!weights)
    throw UsageError({.where = "--features",
                      .what = fmt::format("'{}' is a network trained elsewhere, and its weights "
                                          "are no part of this program",
                                          name),
                      .hint = "Give them with --weights FILE.safetensors"});
  const std::shared_ptr<nets::FeatureExtractor> extractor =
      nets::make_feature_extractor(name, *weights, resize);
  const nets::ExtractorRecipe& recipe = extractor->recipe();
  return {
      .function = [extractor, compute = metrics::feature_function(*extractor)](
                      const at::Tensor& images) { return compute(images); },
      .recipe = nets::to_json(recipe),
      .text = fmt::format("{}, {}, resized by {} to {}, weights sha256 {}", name, recipe.layer,
                          nets::to_text(recipe.resize), recipe.input_size, recipe.weights_sha256),
      .is_fid_inception = is_fid_inception(recipe)};
}

metrics::Features features_of(const data::ImageSet& set, const FeatureSource& source,
                              const ExtractionOptions& options) {
  // Pixels are nothing that a file would save.
  const bool is_network = source.recipe.contains("weights_sha256");
  if (!options.cache || !is_network) return compute(set, source, options);
  const io::TensorCache cache(*options.cache);
  const Json key = cache_key(set, source);
  if (const auto kept = cache.find(key)) {
    const auto logits = kept->find("logits");
    return {.features = kept->at("features"),
            .logits = logits == kept->end() ? at::Tensor() : logits->second};
  }
  metrics::Features features = compute(set, source, options);
  std::map<std::string, at::Tensor> tensors{{"features", features.features}};
  if (features.logits.defined()) tensors.emplace("logits", features.logits);
  cache.keep(key, tensors);
  return features;
}

metrics::FeatureMoments moments_of(const data::ImageSet& set, const FeatureSource& source,
                                   const ExtractionOptions& options) {
  return metrics::extract_moments(
      source.function, set.images,
      {.num_workers = options.num_workers, .progress = options.progress});
}

}  // namespace equipoise::pipeline
