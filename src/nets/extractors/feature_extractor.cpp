#include "nets/extractors/feature_extractor.h"

#include <utility>

#include <ATen/ATen.h>

#include "core/error.h"
#include "nets/extractors/pixels.h"
#include "nets/extractors/small_batches.h"

namespace equipoise::nets {
namespace {

at::Tensor per_channel(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({1, -1, 1, 1});
}

}  // namespace

nlohmann::json to_json(const ExtractorRecipe& recipe) {
  return {{"name", recipe.name},
          {"layer", recipe.layer},
          {"num_features", recipe.num_features},
          {"input_size", recipe.input_size},
          {"resize", to_text(recipe.resize)},
          {"mean", recipe.mean},
          {"deviation", recipe.deviation},
          {"weights_sha256", recipe.weights_sha256}};
}

at::Tensor FeatureExtractor::features(const at::Tensor& images) const {
  check_is_image_batch(images, "images");
  return in_small_batches(images.size(0), [&](int64_t begin, int64_t end) {
    return features_of_inputs(inputs_of(images.slice(0, begin, end)));
  });
}

at::Tensor FeatureExtractor::logits_of_features(const at::Tensor& features) const {
  throw UsageError({.where = "feature extractor " + recipe_.name,
                    .what = "the network has no classes",
                    .hint = "an extractor with logits, such as mobilenet_v2"});
}

at::Tensor FeatureExtractor::inputs_of(const at::Tensor& images) const {
  const int64_t size = recipe_.input_size;
  const at::Tensor pixels =
      resize(rgb_pixels(images, "images"), size, size, recipe_.resize).clamp(0, 255);
  return ((pixels - per_channel(recipe_.mean)) / per_channel(recipe_.deviation))
      .contiguous(at::MemoryFormat::ChannelsLast);
}

std::unique_ptr<FeatureExtractor> make_feature_extractor(const std::string& name,
                                                         const std::filesystem::path& weights,
                                                         const std::string& resize) {
  // Names first: they cost nothing to look up.
  FeatureExtractorRegistry::instance().find(name);
  const ResizeMode mode = resize.empty() ? ResizeMode::kNone : resize_mode_named(resize);
  auto extractor = make_feature_extractor(name, PublishedWeights::read(weights));
  if (!resize.empty()) extractor->set_resize(mode);
  return extractor;
}

std::unique_ptr<FeatureExtractor> make_feature_extractor(const std::string& name,
                                                         PublishedWeights weights) {
  auto extractor = FeatureExtractorRegistry::instance().find(name).make(weights);
  weights.check_all_taken();
  return extractor;
}

}  // namespace equipoise::nets
