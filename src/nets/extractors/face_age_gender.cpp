#include "nets/extractors/face_age_gender.h"

#include <array>

#include <ATen/ATen.h>

namespace equipoise::nets {
namespace {

constexpr const char* kName = "face_age_gender";

struct BlockSpec {
  const char* name;
  int64_t channels;
  bool is_halving;
};
constexpr std::array<BlockSpec, 5> kBlocks{{
    {"entry_flow.reduction_block_0", 64, true},
    {"entry_flow.reduction_block_1", 128, true},
    {"middle_flow.main_block_0", 128, false},
    {"middle_flow.main_block_1", 128, false},
    {"exit_flow.reduction_block", 256, true},
}};

}  // namespace

Convolution FaceAgeGender::take(PublishedWeights& weights, const std::string& name,
                                int64_t in_channels, int64_t channels, int64_t kernel) {
  return {.weight = weights.take(name + ".filters", {channels, in_channels, kernel, kernel}),
          .bias = weights.take(name + ".bias", {channels}),
          .stride = 2};
}

FaceAgeGender::Separable FaceAgeGender::take_separable(PublishedWeights& weights,
                                                       const std::string& name, int64_t in_channels,
                                                       int64_t channels) {
  return {{.weight = weights.take(name + ".depthwise_filter", {in_channels, 1, 3, 3}), .bias = {}},
          {.weight = weights.take(name + ".pointwise_filter", {channels, in_channels, 1, 1}),
           .bias = weights.take(name + ".bias", {channels})}};
}

FaceAgeGender::FaceAgeGender(PublishedWeights& weights)
    : FeatureExtractor({.name = kName,
                        .layer = "mean over positions of exit_flow.separable_conv",
                        .num_features = 512,
                        .input_size = 112,
                        .resize = ResizeMode::kBilinearAntialias,
                        .mean = {122.782, 117.001, 104.298},
                        .deviation = {255, 255, 255},
                        .weights_sha256 = weights.sha256()}) {
  const int64_t width = recipe().num_features;
  int64_t channels = 32;
  first_ = take(weights, "entry_flow.conv_in", 3, channels, 3);
  for (const BlockSpec& spec : kBlocks) {
    const std::string name = spec.name;
    Block block{.layers = {}, .projection = {}, .is_halving = spec.is_halving};
    const int num_layers = spec.is_halving ? 2 : 3;
    for (int i = 0; i < num_layers; ++i)
      block.layers.push_back(take_separable(weights, name + ".separable_conv" + std::to_string(i),
                                            i == 0 ? channels : spec.channels, spec.channels));
    if (spec.is_halving)
      block.projection = take(weights, name + ".expansion_conv", channels, spec.channels, 1);
    blocks_.push_back(std::move(block));
    channels = spec.channels;
  }
  last_ = take_separable(weights, "exit_flow.separable_conv", channels, width);
  gender_ = {weights.take("fc.gender.weights", {2, width}), weights.take("fc.gender.bias", {2})};
  age_ = {weights.take("fc.age.weights", {1, width}), weights.take("fc.age.bias", {1})};
}

at::Tensor FaceAgeGender::Block::operator()(const at::Tensor& x) const {
  at::Tensor hidden = x;
  for (const Separable& layer : layers) hidden = layer(at::relu(hidden));
  return is_halving ? max_pool(hidden, 3, 2, Padding::kSame) + projection(x) : hidden + x;
}

at::Tensor FaceAgeGender::features_of_inputs(const at::Tensor& inputs) const {
  at::Tensor hidden = first_(inputs).relu_();
  for (const Block& block : blocks_) hidden = block(hidden);
  return last_(hidden).relu_().mean({2, 3});
}

at::Tensor FaceAgeGender::logits_of_features(const at::Tensor& features) const {
  return at::linear(features, gender_.weight, gender_.bias);
}

at::Tensor FaceAgeGender::years_of_features(const at::Tensor& features) const {
  return at::linear(features, age_.weight, age_.bias).squeeze(1);
}

namespace {

const bool kRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kName,
     .summary = "Small network for the gender and age of faces, by separable convolutions.",
     .source = "Muehler, face-api.js age_gender_model (2018); Chollet 2017 (arXiv:1610.02357)",
     .use_when = "Shares of gender and age among faces without a classifier of one's own; "
                 "face_descriptor for distances."},
    extractor_factory<FaceAgeGender>());

}  // namespace
}  // namespace equipoise::nets
