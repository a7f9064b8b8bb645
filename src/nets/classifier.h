// Image classifiers that tell which group a sample belongs to, and whose features measure distances
// between image sets.
#pragma once

#include <cstdint>
#include <memory>

#include "core/libtorch.h"
#include "nets/network.h"

namespace equipoise::nets {

/// Class logits of clean images and the features they are read from. Deterministic: nothing depends
/// on the batch.
class ClassifierNetwork : public torch::nn::Module {
 public:
  static constexpr const char* kFamily = "classifier network";
  /// Penultimate features. images [B,C,H,W] float32 in [-1,1]; returns [B, feature_dim()] float32.
  virtual at::Tensor features(const at::Tensor& images) = 0;
  /// Logits [B, label_dim] of features() already computed.
  virtual at::Tensor logits_of_features(const at::Tensor& features) = 0;
  virtual int64_t feature_dim() const = 0;
  at::Tensor logits(const at::Tensor& images) { return logits_of_features(features(images)); }
};

using ClassifierRegistry = Registry<ClassifierNetwork, NetworkPlugin<ClassifierNetwork>>;

/// Builds a classifier of `shape.label_dim` classes by registered type ("CNN"); weights drawn from
/// `init_seed` (Purpose::kInit). Throws UsageError for unknown types and options (nearest name
/// offered) and fewer than two classes.
std::shared_ptr<ClassifierNetwork> make_classifier_network(const NetworkConfig& config,
                                                           const DataShape& shape,
                                                           uint64_t init_seed);

}  // namespace equipoise::nets
