// Fixed networks, trained elsewhere, whose features measure distances between image sets.
//
//   inception_fid           2048  what published FIDs are computed on; 299x299, slow
//   inception_fid_spatial   2023  the same network's 17x17 map, for sFID: sees where things are
//   inception_torchvision   2048  Inception v3 as torchvision trained it: not comparable with FIDs
//   mobilenet_v2            1280  photographs; a twentieth of the work of Inception
//   face_age_gender          512  faces: gender and age
//   face_descriptor          128  faces: whose; few features, so small sets do
//
// A number that compares with a published FID needs inception_fid with its own resizing and
// weights. Anything else is a distance on other features and has to be named by them: recipe()
// says all of it. The fewer the features, the fewer images a Frechet distance needs.
// No weights are part of Equipoise.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/registry.h"
#include "nets/extractors/published_weights.h"
#include "nets/extractors/resize.h"

namespace equipoise::nets {

/// All that decides a feature besides the image.
struct ExtractorRecipe {
  std::string name = {};   ///< as registered
  std::string layer = {};  ///< as the network's publication calls it
  int64_t num_features = 0;
  int64_t input_size = 0;  ///< pixels, height = width
  ResizeMode resize = ResizeMode::kNone;
  /// The network sees (x - mean) / deviation, x in 0..255; one number a channel (R, G, B).
  std::vector<double> mean = {}, deviation = {};
  std::string weights_sha256 = {};  ///< of the file; "" when the weights came from memory
};

nlohmann::json to_json(const ExtractorRecipe& recipe);

/// phi(image). Deterministic; an image's features do not depend on the others, up to rounding;
/// several threads may share one. Differentiable with respect to float images; the weights have no
/// gradient.
class FeatureExtractor {
 public:
  static constexpr const char* kFamily = "feature extractor";
  virtual ~FeatureExtractor() = default;

  /// Features [N,F] float32 of images [N,1 or 3,H,W], uint8 in 0..255 or float32 in [-1,1].
  /// Throws UsageError for other images.
  at::Tensor features(const at::Tensor& images) const;
  /// Class logits [N,K] of features already computed. Throws UsageError unless has_logits().
  virtual at::Tensor logits_of_features(const at::Tensor& features) const;
  virtual bool has_logits() const { return false; }

  /// What the network sees [N,3,S,S] float32: resized, clipped to 0..255, normalised.
  at::Tensor inputs_of(const at::Tensor& images) const;
  virtual at::Tensor features_of_inputs(const at::Tensor& inputs) const = 0;

  const ExtractorRecipe& recipe() const { return recipe_; }
  /// Replaces the resizing the network is published with.
  void set_resize(ResizeMode mode) { recipe_.resize = mode; }

 protected:
  explicit FeatureExtractor(ExtractorRecipe recipe) : recipe_(std::move(recipe)) {}

 private:
  ExtractorRecipe recipe_;
};

using FeatureExtractorFactory = std::function<std::unique_ptr<FeatureExtractor>(PublishedWeights&)>;
using FeatureExtractorRegistry = Registry<FeatureExtractor, FeatureExtractorFactory>;

/// The factory of an extractor whose constructor takes the weights.
template <class Extractor>
FeatureExtractorFactory extractor_factory() {
  return [](PublishedWeights& weights) { return std::make_unique<Extractor>(weights); };
}

/// Builds a registered extractor from a safetensors file. `resize` names a rule of resize.h; "" =
/// the network's own.
/// Throws: UsageError for unknown names (the nearest is offered); DataError naming file and tensor
/// when one is missing, of another shape or left over.
std::unique_ptr<FeatureExtractor> make_feature_extractor(const std::string& name,
                                                         const std::filesystem::path& weights,
                                                         const std::string& resize = "");
/// The same from tensors in memory.
std::unique_ptr<FeatureExtractor> make_feature_extractor(const std::string& name,
                                                         PublishedWeights weights);

}  // namespace equipoise::nets
