// The DDPM++ / NCSN++ U-Net, as re-implemented in the EDM release.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/unet_trunk.h"

namespace equipoise::nets {

/// Defaults: DDPM++ for 64x64. CIFAR-10 uses channel_mult [2, 2, 2]. NCSN++ is embedding_type
/// fourier, channel_mult_noise 2, encoder_type residual, resample_filter [1, 3, 3, 1].
struct SongUNetConfig {
  int64_t out_channels = 0;
  int64_t augment_dim = 0;
  int64_t model_channels = 128;
  std::vector<int64_t> channel_mult = {1, 2, 2, 2};
  int64_t channel_mult_emb = 4;
  int64_t num_blocks = 4;
  std::vector<int64_t> attn_resolutions = {16};
  double dropout = 0.10;
  double label_dropout = 0;
  std::string embedding_type = "positional";
  int64_t channel_mult_noise = 1;
  std::string encoder_type = "standard";
  std::string decoder_type = "standard";
  std::vector<double> resample_filter = {1, 1};
  bool recompute = false;

  void fields(FieldVisitor& f);
};

/// Source: Song et al. 2021 (arXiv:2011.13456), Karras et al. 2022 (arXiv:2206.00364), App. F.
/// Differs: the Fourier
///   frequencies are drawn from Purpose::kInit; any resolution that halves evenly at every level is
///   allowed (28, 14, 7); embedding_type "zero" gives a network blind to the noise level and to all
///   labels.
/// Parameter names and shapes equal the release's state dict.
class SongUNet : public DenoiserNetwork {
 public:
  SongUNet(const SongUNetConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  at::Tensor embedding(const at::Tensor& noise_labels, const Conditions& conditions) const;

  SongUNetConfig config_;
  int64_t label_dim_;
  std::shared_ptr<FourierEmbedding> map_noise_;
  std::shared_ptr<Linear> map_label_, map_augment_, map_layer0_, map_layer1_;
  std::unique_ptr<UNetTrunk> trunk_;
};

}  // namespace equipoise::nets
