// Inception v3 under torchvision's parameter names: the network of published FIDs, its spatial
// features, and torchvision's own training of it.
//
// The published weights could not be had for the tests. Names, shapes and layers are checked against
// torchvision's network with made-up weights (tests/golden/extractors_golden.py); that the FID
// variant, its inputs included, agrees with the TensorFlow graph rests on the literature.
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "core/error.h"
#include "nets/extractors/convolution.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::nets {
namespace {

constexpr const char* kFid = "inception_fid";
constexpr const char* kFidSpatial = "inception_fid_spatial";
constexpr const char* kTorchvision = "inception_torchvision";
constexpr int64_t kNumFeatures = 2048;
constexpr double kBatchNormEps = 1e-3;

/// Convolution without bias, batch norm, relu.
struct Layer {
  const char* name;
  int64_t channels, height, width;
  int64_t stride = 1;
  Padding padding = Padding::kSame;
};
enum class Pool {
  kNone,
  kHalve,   ///< largest of 3x3, stride 2
  kSmooth,  ///< 3x3, stride 1: a mean, or what the variant puts there
};
/// A pool, layers one after the other, then `ends` side by side.
struct Branch {
  std::vector<Layer> layers;
  Pool pool = Pool::kNone;
  std::vector<Layer> ends = {};
};
/// Branches side by side; the output is all of theirs, channel after channel.
struct Block {
  std::string name;  ///< "" for the stem, whose layers stand alone
  std::vector<Branch> branches;
};

constexpr Padding kValid = Padding::kValid;

Block block_35(const std::string& name, int64_t pool_channels) {
  return {
      name,
      {{{{"branch1x1", 64, 1, 1}}},
       {{{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}}},
       {{{"branch3x3dbl_1", 64, 1, 1}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}}},
       {{{"branch_pool", pool_channels, 1, 1}}, Pool::kSmooth}}};
}

Block block_17(const std::string& name, int64_t width) {
  return {
      name,
      {{{{"branch1x1", 192, 1, 1}}},
       {{{"branch7x7_1", width, 1, 1}, {"branch7x7_2", width, 1, 7}, {"branch7x7_3", 192, 7, 1}}},
       {{{"branch7x7dbl_1", width, 1, 1},
         {"branch7x7dbl_2", width, 7, 1},
         {"branch7x7dbl_3", width, 1, 7},
         {"branch7x7dbl_4", width, 7, 1},
         {"branch7x7dbl_5", 192, 1, 7}}},
       {{{"branch_pool", 192, 1, 1}}, Pool::kSmooth}}};
}

Block block_8(const std::string& name) {
  return {name,
          {{{{"branch1x1", 320, 1, 1}}},
           {{{"branch3x3_1", 384, 1, 1}},
            Pool::kNone,
            {{"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}},
           {{{"branch3x3dbl_1", 448, 1, 1}, {"branch3x3dbl_2", 384, 3, 3}},
            Pool::kNone,
            {{"branch3x3dbl_3a", 384, 1, 3}, {"branch3x3dbl_3b", 384, 3, 1}}},
           {{{"branch_pool", 192, 1, 1}}, Pool::kSmooth}}};
}

/// The whole network up to the mean over positions. Source: Szegedy et al. 2016
/// (arXiv:1512.00567), Table 1, as released (the paper's figures 5 to 7 in other numbers).
std::vector<Block> all_blocks() {
  return {
      {"",
       {{{{"Conv2d_1a_3x3", 32, 3, 3, 2, kValid},
          {"Conv2d_2a_3x3", 32, 3, 3, 1, kValid},
          {"Conv2d_2b_3x3", 64, 3, 3}}}}},
      {"",
       {{{{"Conv2d_3b_1x1", 80, 1, 1}, {"Conv2d_4a_3x3", 192, 3, 3, 1, kValid}}, Pool::kHalve}}},
      {"", {{{}, Pool::kHalve}}},
      block_35("Mixed_5b", 32),
      block_35("Mixed_5c", 64),
      block_35("Mixed_5d", 64),
      {"Mixed_6a",
       {{{{"branch3x3", 384, 3, 3, 2, kValid}}},
        {{{"branch3x3dbl_1", 64, 1, 1},
          {"branch3x3dbl_2", 96, 3, 3},
          {"branch3x3dbl_3", 96, 3, 3, 2, kValid}}},
        {{}, Pool::kHalve}}},
      block_17("Mixed_6b", 128),
      block_17("Mixed_6c", 160),
      block_17("Mixed_6d", 160),
      block_17("Mixed_6e", 192),
      {"Mixed_7a",
       {{{{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2, kValid}}},
        {{{"branch7x7x3_1", 192, 1, 1},
          {"branch7x7x3_2", 192, 1, 7},
          {"branch7x7x3_3", 192, 7, 1},
          {"branch7x7x3_4", 192, 3, 3, 2, kValid}}},
        {{}, Pool::kHalve}}},
      block_8("Mixed_7b"),
      block_8("Mixed_7c")};
}

/// What pools of stride 1 do.
enum class Variant {
  kTorchvision,  ///< mean of 9, zeros beyond the edge among them
  kFid,          ///< mean of what lies inside; in the last block the largest value
};

class Trunk {
 public:
  Trunk(PublishedWeights& weights, Variant variant) : blocks_(all_blocks()), variant_(variant) {
    int64_t channels = 3;
    for (const Block& block : blocks_) {
      int64_t out_channels = 0;
      for (const Branch& branch : block.branches)
        out_channels += take(weights, block, branch, channels);
      channels = out_channels;
    }
    weights.ignore("num_batches_tracked");
    weights.ignore("AuxLogits.");  // used in training alone
  }

  /// [N,2048]
  at::Tensor pooled(at::Tensor x) const {
    for (const Block& block : blocks_) x = run(block, x);
    return x.mean({2, 3});
  }
  /// The first branch of the named block: [N,channels,rows,columns].
  at::Tensor first_branch(const std::string& block_name, at::Tensor x) const {
    for (const Block& block : blocks_) {
      if (block.name == block_name) return run(block, block.branches.front(), x);
      x = run(block, x);
    }
    throw std::logic_error("internal error: Inception has no block " + block_name);
  }

 private:
  static std::string full_name(const Block& block, const Layer& layer) {
    return (block.name.empty() ? "" : block.name + ".") + layer.name;
  }

  // Returns the branch's output channels.
  int64_t take(PublishedWeights& weights, const Block& block, const Branch& branch,
               int64_t channels) {
    for (const Layer& layer : branch.layers) {
      take(weights, full_name(block, layer), layer, channels);
      channels = layer.channels;
    }
    int64_t num_together = 0;
    for (const Layer& end : branch.ends) {
      take(weights, full_name(block, end), end, channels);
      num_together += end.channels;
    }
    return branch.ends.empty() ? channels : num_together;
  }

  // y = (x - mean) weight / sqrt(var + eps) + bias, folded into the convolution before it.
  void take(PublishedWeights& weights, const std::string& name, const Layer& layer,
            int64_t in_channels) {
    const Convolution plain{
        .weight = weights.take(name + ".conv.weight",
                               {layer.channels, in_channels, layer.height, layer.width}),
        .bias = {},
        .stride = layer.stride,
        .padding = layer.padding};
    const auto statistic = [&](const char* part) {
      return weights.take(name + ".bn." + part, {layer.channels}).to(at::kDouble);
    };
    const at::Tensor scale =
        statistic("weight") / (statistic("running_var") + kBatchNormEps).sqrt();
    convolutions_[name] =
        folded(plain, scale, statistic("bias") - statistic("running_mean") * scale);
  }

  at::Tensor run(const Block& block, const at::Tensor& x) const {
    std::vector<at::Tensor> outputs;
    for (const Branch& branch : block.branches) outputs.push_back(run(block, branch, x));
    return outputs.size() == 1 ? outputs.front() : at::cat(outputs, 1);
  }

  at::Tensor run(const Block& block, const Branch& branch, at::Tensor x) const {
    const auto apply = [&](const Layer& layer, const at::Tensor& input) {
      return convolutions_.at(full_name(block, layer))(input).relu_();
    };
    if (branch.pool == Pool::kHalve) x = max_pool(x, 3, 2, kValid);
    if (branch.pool == Pool::kSmooth) x = smooth(block, x);
    for (const Layer& layer : branch.layers) x = apply(layer, x);
    if (branch.ends.empty()) return x;
    std::vector<at::Tensor> outputs;
    for (const Layer& end : branch.ends) outputs.push_back(apply(end, x));
    return at::cat(outputs, 1);
  }

  at::Tensor smooth(const Block& block, const at::Tensor& x) const {
    const bool is_fid = variant_ == Variant::kFid;
    if (is_fid && block.name == "Mixed_7c") return max_pool(x, 3, 1, Padding::kSame);
    return at::avg_pool2d(x, /*kernel_size=*/3, /*stride=*/1, /*padding=*/1, /*ceil_mode=*/false,
                          /*count_include_pad=*/!is_fid);
  }

  std::vector<Block> blocks_;
  Variant variant_;
  std::map<std::string, Convolution> convolutions_;
};

struct ClassHead {
  ClassHead(PublishedWeights& weights, int64_t num_classes)
      : weight(weights.take("fc.weight", {num_classes, kNumFeatures})),
        bias(weights.take("fc.bias", {num_classes})) {}
  at::Tensor weight, bias;
};

ExtractorRecipe fid_recipe(const PublishedWeights& weights, const char* name) {
  return {.name = name,
          .layer = "pool_3",
          .num_features = kNumFeatures,
          .input_size = 299,
          .resize = ResizeMode::kTfBilinear,
          .mean = {128, 128, 128},
          .deviation = {128, 128, 128},
          .weights_sha256 = weights.sha256()};
}

constexpr int64_t kNumFidClasses = 1008;

/// Features "pool_3" of the graph inception-2015-12-05, and its logits without their bias, which is
/// how the Inception Score reads them.
///
/// Source: Heusel et al. 2017 (arXiv:1706.08500). Inputs as in the graph: TensorFlow 1's bilinear
/// resizing, (x - 128) / 128. pytorch-fid resizes by `bilinear` and divides by 127.5 instead;
/// clean-fid is set_resize(kBicubicAntialias). Weights: the state dict known as
/// pt_inception-2015-12-05, as safetensors.
class InceptionFid : public FeatureExtractor {
 public:
  explicit InceptionFid(PublishedWeights& weights)
      : FeatureExtractor(fid_recipe(weights, kFid)),
        trunk_(weights, Variant::kFid),
        head_(weights, kNumFidClasses) {}

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    return trunk_.pooled(inputs);
  }
  at::Tensor logits_of_features(const at::Tensor& features) const override {
    return at::linear(features, head_.weight);
  }
  bool has_logits() const override { return true; }

 private:
  Trunk trunk_;
  ClassHead head_;
};

/// The graph's "mixed_6/conv", after its relu: the first 7 channels at 17 x 17 positions, in the
/// order row, column, channel. Mixed_6d.branch1x1 under torchvision's names.
///
/// Source: Nash et al. 2021 (arXiv:2103.03841), sFID, as in the evaluation code of Dhariwal and
/// Nichol 2021.
class InceptionFidSpatial : public FeatureExtractor {
 public:
  explicit InceptionFidSpatial(PublishedWeights& weights)
      : FeatureExtractor(recipe_of(weights)), trunk_(weights, Variant::kFid) {
    weights.ignore("fc.");
  }

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    const at::Tensor map = trunk_.first_branch("Mixed_6d", inputs).slice(1, 0, kNumChannels);
    return map.permute({0, 2, 3, 1}).reshape({map.size(0), -1});
  }

 private:
  static constexpr int64_t kNumChannels = 7;

  static ExtractorRecipe recipe_of(const PublishedWeights& weights) {
    ExtractorRecipe recipe = fid_recipe(weights, kFidSpatial);
    recipe.layer = "mixed_6/conv, first 7 channels";
    recipe.num_features = kNumChannels * 17 * 17;
    return recipe;
  }

  Trunk trunk_;
};

/// torchvision's inception_v3: whole images are squeezed to 299x299; torchvision's own accuracies
/// are measured on centre crops.
class InceptionTorchvision : public FeatureExtractor {
 public:
  explicit InceptionTorchvision(PublishedWeights& weights)
      : FeatureExtractor({.name = kTorchvision,
                          .layer = "avgpool",
                          .num_features = kNumFeatures,
                          .input_size = 299,
                          .resize = ResizeMode::kBilinearAntialias,
                          .mean = {127.5, 127.5, 127.5},
                          .deviation = {127.5, 127.5, 127.5},
                          .weights_sha256 = weights.sha256()}),
        trunk_(weights, Variant::kTorchvision),
        head_(weights, 1000) {}

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override {
    return trunk_.pooled(inputs);
  }
  at::Tensor logits_of_features(const at::Tensor& features) const override {
    return at::linear(features, head_.weight, head_.bias);
  }
  bool has_logits() const override { return true; }

 private:
  Trunk trunk_;
  ClassHead head_;
};

const bool kFidRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kFid,
     .summary = "Inception v3 of the 2015 TensorFlow graph, layer pool_3: the features of FID.",
     .source = "Szegedy et al. 2016 (arXiv:1512.00567); Heusel et al. 2017 (arXiv:1706.08500)",
     .use_when = "Numbers that compare with published FIDs and Inception Scores; mobilenet_v2 when "
                 "time is short."},
    extractor_factory<InceptionFid>());

const bool kFidSpatialRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kFidSpatial,
     .summary = "The same network's 17x17 map, seven channels: the features of sFID.",
     .source = "Nash et al. 2021 (arXiv:2103.03841), Sec. 5",
     .use_when = "Where things are in the image matters; beside inception_fid, not instead of it."},
    extractor_factory<InceptionFidSpatial>());

const bool kTorchvisionRegistered = FeatureExtractorRegistry::instance().add(
    {.name = kTorchvision,
     .summary = "Inception v3 as torchvision trained it on ImageNet's 1000 classes.",
     .source = "Szegedy et al. 2016 (arXiv:1512.00567); weights of torchvision",
     .use_when = "Only these weights are at hand; inception_fid for numbers that are to compare "
                 "with published ones."},
    extractor_factory<InceptionTorchvision>());

}  // namespace
}  // namespace equipoise::nets
