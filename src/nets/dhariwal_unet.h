// The ADM U-Net, as re-implemented in the EDM release.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/unet_trunk.h"

namespace equipoise::nets {

/// Defaults: ImageNet-64.
struct DhariwalUNetConfig {
  int64_t out_channels = 0;
  int64_t augment_dim = 0;
  int64_t model_channels = 192;
  std::vector<int64_t> channel_mult = {1, 2, 3, 4};
  int64_t channel_mult_emb = 4;
  int64_t num_blocks = 3;
  std::vector<int64_t> attn_resolutions = {32, 16, 8};
  double dropout = 0.10;
  double label_dropout = 0;
  bool recompute = false;

  void fields(FieldVisitor& f);
};

/// Source: Dhariwal and Nichol 2021 (arXiv:2105.05233). Differs: none; as the EDM release has it.
/// Parameter names and shapes equal the EDM release's state dict.
class DhariwalUNet : public DenoiserNetwork {
 public:
  DhariwalUNet(const DhariwalUNetConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  at::Tensor embedding(const at::Tensor& noise_labels, const Conditions& conditions) const;

  DhariwalUNetConfig config_;
  int64_t label_dim_;
  std::shared_ptr<Linear> map_augment_, map_layer0_, map_layer1_, map_label_;
  std::unique_ptr<UNetTrunk> trunk_;
  std::shared_ptr<GroupNorm> out_norm_;
  std::shared_ptr<Conv2d> out_conv_;
};

}  // namespace equipoise::nets
