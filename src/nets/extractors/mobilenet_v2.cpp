// A small ImageNet classifier: the cheap stand-in for Inception.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "nets/extractors/convolution.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::nets {
namespace {

constexpr const char* kName = "mobilenet_v2";
constexpr int64_t kNumClasses = 1000;

/// Blocks of one resolution; the first takes the stride.
struct StageSpec {
  int64_t expansion, channels, num_blocks, stride;
};
constexpr std::array<StageSpec, 7> kStages{{
    {1, 16, 1, 1},
    {6, 24, 2, 2},
    {6, 32, 3, 2},
    {6, 64, 4, 2},
    {6, 96, 3, 1},
    {6, 160, 3, 2},
    {6, 320, 1, 1},
}};

// min(max(x, 0), 6), in place.
at::Tensor capped(at::Tensor x) {
  return at::relu6_(x);
}

/// x -> project(relu6(depthwise(relu6(expand(x))))), plus x where the shapes agree.
struct Block {
  std::optional<Convolution> expand;
  Convolution depthwise, project;
  bool has_skip;

  at::Tensor operator()(const at::Tensor& x) const {
    const at::Tensor wide = expand ? capped((*expand)(x)) : x;
    const at::Tensor narrow = project(capped(depthwise(wide)));
    return has_skip ? narrow + x : narrow;
  }
};

/// The batch norms are folded into the convolutions in the file already. Strided convolutions pad
/// as TensorFlow does, which Keras writes as an explicit padding of even sizes.
class MobileNetV2 : public FeatureExtractor {
 public:
  explicit MobileNetV2(PublishedWeights& weights)
      : FeatureExtractor({.name = kName,
                          .layer = "mean over positions of Conv_1",
                          .num_features = 1280,
                          .input_size = 224,
                          .resize = ResizeMode::kBicubicAntialias,
                          .mean = {127.5, 127.5, 127.5},
                          .deviation = {127.5, 127.5, 127.5},
                          .weights_sha256 = weights.sha256()}) {
    int64_t channels = 32;
    first_ = take(weights, "Conv1", {channels, 3, 3, 3}, 2);
    for (const StageSpec& stage : kStages)
      for (int64_t i = 0; i < stage.num_blocks; ++i) {
        const int64_t stride = i == 0 ? stage.stride : 1;
        const std::string name =
            blocks_.empty() ? "expanded_conv_" : "block_" + std::to_string(blocks_.size()) + "_";
        const int64_t wide = channels * stage.expansion;
        std::optional<Convolution> expand;
        if (stage.expansion > 1) expand = take(weights, name + "expand", {wide, channels, 1, 1});
        blocks_.push_back({.expand = std::move(expand),
                           .depthwise = take(weights, name + "depthwise", {wide, 1, 3, 3}, stride),
                           .project = take(weights, name + "project", {stage.channels, wide, 1, 1}),
                           .has_skip = stride == 1 && channels == stage.channels});
        channels = stage.channels;
      }
    last_ = take(weights, "Conv_1", {recipe().num_features, channels, 1, 1});
    class_weight_ = weights.take("predictions.weight", {kNumClasses, recipe().num_features});
    class_bias_ = weights.take("predictions.bias", {kNumClasses});
  }

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    at::Tensor hidden = capped(first_(inputs));
    for (const Block& block : blocks_) hidden = block(hidden);
    return capped(last_(hidden)).mean({2, 3});
  }
  at::Tensor logits_of_features(const at::Tensor& features) const override {
    return at::linear(features, class_weight_, class_bias_);
  }
  bool has_logits() const override { return true; }

 private:
  static Convolution take(PublishedWeights& weights, const std::string& name, at::IntArrayRef shape,
                          int64_t stride = 1) {
    return {.weight = weights.take(name + ".weight", shape),
            .bias = weights.take(name + ".bias", shape.slice(0, 1)),
            .stride = stride};
  }

  Convolution first_, last_;
  std::vector<Block> blocks_;
  at::Tensor class_weight_, class_bias_;
};

const bool kRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kName,
     .summary = "MobileNetV2 1.0 at 224x224, trained on ImageNet's 1000 classes.",
     .source = "Sandler et al. 2018 (arXiv:1801.04381), Table 2; weights of Keras Applications",
     .use_when = "Photographs where Inception is too slow or its weights are not at hand; the "
                 "distance is not an FID."},
    extractor_factory<MobileNetV2>());

}  // namespace
}  // namespace equipoise::nets
