// Networks that judge noisy images: discriminators, whose one logit estimates log p_data^t -
// log p_bias^t, and classifiers of noisy images with a logit a class.
//
//   CNN  small residual network, scale and shift by time: strong and cheap for 28x28 to 64x64
//   images ADM  the published pair: a half U-Net feature extractor and a shallow head; 48 M
//   parameters at full size MLP  for vectors
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/libtorch.h"
#include "nets/network.h"

namespace equipoise::nets {

/// Logits of a noisy image z at VP time tau[, given its class y]. A discriminator has one: that "z
/// came from the reference set".
class DiscriminatorNetwork : public torch::nn::Module {
 public:
  static constexpr const char* kFamily = "discriminator network";
  /// Shapes: z [B,C,H,W] or [B,D] float32 in VP scale (z = x / sqrt(1 + sigma^2)); tau [B] float32
  /// in [0,1]; labels [B,label_dim] float, needed by conditional networks and ignored by others;
  /// returns [B, outputs] float32. Item i depends on item i alone; nothing is random.
  /// Differentiable with respect to z and the parameters.
  virtual at::Tensor logits(const at::Tensor& z, const at::Tensor& tau,
                            const at::Tensor& labels = {}) = 0;
  /// [B], of a network with one output.
  at::Tensor logit(const at::Tensor& z, const at::Tensor& tau, const at::Tensor& labels = {}) {
    return logits(z, tau, labels).squeeze(1);
  }
  /// What a trainer may change: all parameters but those of a frozen extractor.
  std::vector<at::Tensor> trainable_parameters() const;
};

using DiscriminatorRegistry = Registry<DiscriminatorNetwork, NetworkPlugin<DiscriminatorNetwork>>;

/// Builds a discriminator (or, with the option `outputs`, a classifier of noisy images) by registered
/// type ("CNN", "ADM", "MLP"); weights drawn from `init_seed`
/// (Purpose::kInit). Throws UsageError for unknown types and options (nearest name offered) and
/// impossible sizes.
std::shared_ptr<DiscriminatorNetwork> make_discriminator_network(const NetworkConfig& config,
                                                                 const DataShape& shape,
                                                                 uint64_t init_seed);

}  // namespace equipoise::nets
