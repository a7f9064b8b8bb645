// A residual network that maps a face to a point: faces of one person lie near each other.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "nets/extractors/convolution.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::nets {
namespace {

constexpr const char* kName = "face_descriptor";

struct BlockSpec {
  const char* name;
  int64_t channels;
  bool is_halving;
};
constexpr std::array<BlockSpec, 14> kBlocks{{
    {"conv32_1", 32, false},
    {"conv32_2", 32, false},
    {"conv32_3", 32, false},
    {"conv64_down", 64, true},
    {"conv64_1", 64, false},
    {"conv64_2", 64, false},
    {"conv64_3", 64, false},
    {"conv128_down", 128, true},
    {"conv128_1", 128, false},
    {"conv128_2", 128, false},
    {"conv256_down", 256, true},
    {"conv256_1", 256, false},
    {"conv256_2", 256, false},
    {"conv256_down_out", 256, true},
}};

/// x -> relu(conv2(relu(conv1(x))) + shortcut(x)); every convolution is followed by a scale and a
/// shift. A halving block convolves whole windows only and takes 2x2 means for its shortcut, and
/// either path is filled with zeros (rows, columns, channels) to the other's size.
struct Block {
  Convolution conv1, conv2;
  bool is_halving;

  at::Tensor operator()(const at::Tensor& x) const {
    at::Tensor hidden = conv2(conv1(x).relu_());
    at::Tensor shortcut = x;
    if (is_halving) {
      shortcut = at::avg_pool2d(x, /*kernel_size=*/2, /*stride=*/2);
      hidden = at::constant_pad_nd(
          hidden, {0, shortcut.size(3) - hidden.size(3), 0, shortcut.size(2) - hidden.size(2)});
      shortcut = at::constant_pad_nd(shortcut, {0, 0, 0, 0, 0, hidden.size(1) - shortcut.size(1)});
    }
    return (hidden + shortcut).relu_();
  }
};

class FaceDescriptor : public FeatureExtractor {
 public:
  explicit FaceDescriptor(PublishedWeights& weights)
      : FeatureExtractor({.name = kName,
                          .layer = "fc",
                          .num_features = 128,
                          .input_size = 150,
                          .resize = ResizeMode::kBilinearAntialias,
                          .mean = {122.782, 117.001, 104.298},
                          .deviation = {255, 255, 255},
                          .weights_sha256 = weights.sha256()}) {
    int64_t channels = 32;
    first_ = take(weights, "conv32_down", {channels, 3, 7, 7}, 2, Padding::kValid);
    for (const BlockSpec& spec : kBlocks) {
      const std::string name = spec.name;
      const int64_t stride = spec.is_halving ? 2 : 1;
      const Padding padding = spec.is_halving ? Padding::kValid : Padding::kSame;
      blocks_.push_back(
          {take(weights, name + ".conv1", {spec.channels, channels, 3, 3}, stride, padding),
           take(weights, name + ".conv2", {spec.channels, spec.channels, 3, 3}), spec.is_halving});
      channels = spec.channels;
    }
    out_ = weights.take("fc.weights", {recipe().num_features, channels});
  }

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    at::Tensor hidden = max_pool(first_(inputs).relu_(), 3, 2, Padding::kValid);
    for (const Block& block : blocks_) hidden = block(hidden);
    return at::linear(hidden.mean({2, 3}), out_);
  }

 private:
  static Convolution take(PublishedWeights& weights, const std::string& name, at::IntArrayRef shape,
                          int64_t stride = 1, Padding padding = Padding::kSame) {
    const at::IntArrayRef per_channel = shape.slice(0, 1);
    return folded({.weight = weights.take(name + ".conv.filters", shape),
                   .bias = weights.take(name + ".conv.bias", per_channel),
                   .stride = stride,
                   .padding = padding},
                  weights.take(name + ".scale.weights", per_channel),
                  weights.take(name + ".scale.biases", per_channel));
  }

  Convolution first_;
  std::vector<Block> blocks_;
  at::Tensor out_;
};

const bool kRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kName,
     .summary = "Residual network of 29 convolutions that tells faces of different people apart.",
     .source = "King, dlib face recognition model v1 (2017), as converted for face-api.js",
     .use_when = "Faces, a few thousand images: distances between sets, and near copies. "
                 "mobilenet_v2 for anything but faces."},
    extractor_factory<FaceDescriptor>());

}  // namespace
}  // namespace equipoise::nets
