// The U-Net of ADM as its own release (guided-diffusion) has it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/adm_trunk.h"
#include "nets/network.h"

namespace equipoise::nets {

/// Defaults: ImageNet-64.
struct AdmUNetConfig {
  int64_t model_channels = 192;
  std::vector<double> channel_mult = {1, 2, 3, 4};
  int64_t num_res_blocks = 3;
  std::vector<int64_t> attention_resolutions = {32, 16, 8};
  int64_t num_heads = 4;
  int64_t num_head_channels = 64;
  bool use_scale_shift_norm = true;
  bool resblock_updown = true;
  bool use_new_attention_order = true;
  bool learn_sigma = false;
  double dropout = 0.1;

  void fields(FieldVisitor& f);
};

/// F(x, t[, label]): the noise in x and, with learn_sigma, as many channels of v for the variance
/// (diffusion/learned_variance.h).
///
/// Source: Dhariwal and Nichol 2021 (arXiv:2105.05233), App. F; with additive embeddings,
/// convolutions that resample and heads by number it is the network of Nichol and Dhariwal 2021
/// (arXiv:2102.09672). Differs: none. Parameter names and shapes equal that release's state dict.
/// Shapes: x [B,C,R,R]; noise_labels [B] = t, the step number in 0 … T-1 (not its fraction);
/// returns [B,C,R,R], or [B,2C,R,R] with learn_sigma.
///   Class labels [B,label_dim] weigh the rows of label_emb; undefined = no row at all, which
///   networks trained elsewhere have not seen.
/// Cost: ImageNet-64 has 296 million parameters; ImageNet-256 has 554 million.
class AdmUNet : public DenoiserNetwork {
 public:
  AdmUNet(const AdmUNetConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  std::unique_ptr<AdmEmbedding> embedding_;
  std::unique_ptr<AdmTrunk> trunk_;
  std::shared_ptr<GroupNorm> out_norm_;
  std::shared_ptr<Conv2d> out_conv_;
};

}  // namespace equipoise::nets
