// Gender and age of faces, and the features both are read from.
#pragma once

#include <string>
#include <vector>

#include "nets/extractors/convolution.h"
#include "nets/extractors/feature_extractor.h"

namespace equipoise::nets {

/// TinyXception: separable convolutions, three halving blocks and two that keep the size; the
/// features are the mean over positions.
///
/// Source: face-api.js, age_gender_model. Logits: [N,2], softmax of them = (male, female), which
/// were the only two labels of its training data. Its errors differ between groups: treat its
/// answers as noisy labels.
class FaceAgeGender : public FeatureExtractor {
 public:
  explicit FaceAgeGender(PublishedWeights& weights);

  at::Tensor features_of_inputs(const at::Tensor& inputs) const override;
  at::Tensor logits_of_features(const at::Tensor& features) const override;
  bool has_logits() const override { return true; }
  /// Ages [N] in years, of features already computed.
  at::Tensor years_of_features(const at::Tensor& features) const;

 private:
  struct Separable {
    Convolution depthwise, pointwise;
    at::Tensor operator()(const at::Tensor& x) const { return pointwise(depthwise(x)); }
  };
  /// x -> last(relu(… first(relu(x)))), plus x; or, halving, the largest of 3x3 of that plus a
  /// projection of x.
  struct Block {
    std::vector<Separable> layers;
    Convolution projection;  // of a halving block
    bool is_halving;
    at::Tensor operator()(const at::Tensor& x) const;
  };
  struct Head {
    at::Tensor weight, bias;
  };

  static Convolution take(PublishedWeights& weights, const std::string& name, int64_t in_channels,
                          int64_t channels, int64_t kernel);
  static Separable take_separable(PublishedWeights& weights, const std::string& name,
                                  int64_t in_channels, int64_t channels);

  Convolution first_;
  std::vector<Block> blocks_;
  Separable last_;
  Head gender_, age_;
};

}  // namespace equipoise::nets
