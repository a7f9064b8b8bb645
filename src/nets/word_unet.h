// The U-Net of "Bias Begets Bias": a small DDPM network that is told of a condition by adding one
// vector at every stage.
#pragma once

#include <cstdint>
#include <memory>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/layers.h"
#include "nets/network.h"

namespace equipoise::nets {

struct WordUNetConfig {
  int64_t model_channels = 64;
  int64_t time_channels = 128;
  int64_t num_heads = 4;
  bool attention_at_finest = true;
  double label_gain = 1;
  double label_dropout = 0;

  void fields(FieldVisitor& f);
};

/// [sin(t f_i), cos(t f_i), gain · labels], f_i = 10000^(-2i / num_channels), i below num_channels/2:
/// what every stage is told.
///
/// Shapes: t [B]; labels [B,L]; returns [B, num_channels + L].
at::Tensor word_embedding(const at::Tensor& t, int64_t num_channels, const at::Tensor& labels,
                          double gain);

/// F(x, t, e): the noise in x. Three halvings, three doublings, self-attention after each; with c
/// model_channels:
///
///   in c · down 2c, 4c, 4c · bottom 8c, 8c, 4c · up 2c, c, c · out
///
/// Every block is conv3 - GN - GELU - conv3 - GN with one group a norm; each stage ends by adding
/// Linear(SiLU(embedding)) to all its pixels.
///
/// Source: the network in the released code of Kuchlous, Li and Wang 2024, "Bias Begets Bias" (ICML
/// workshop). Differs: attention at the finest level can be left out; label_gain.
/// Shapes: x [B,C,R,R], R a multiple of 8; noise_labels [B] = t, the step number in 0 … T-1, as
/// "ddpm_linear_T" gives it; class labels [B,label_dim], such as word vectors; undefined = zeros.
/// Cost: 23.3 million parameters at the defaults with three channels and 128-long word vectors; at
/// 64x64 the finest attention has 4,096 positions and most of the memory.
class WordUNet : public DenoiserNetwork {
 public:
  WordUNet(const WordUNetConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  class Block;
  class Stage;
  class Attention;

  WordUNetConfig config_;
  int64_t label_dim_;
  std::shared_ptr<Block> in_, bottom_[3];
  std::shared_ptr<Stage> down_[3], up_[3];
  std::shared_ptr<Attention> down_attention_[3], up_attention_[3];
  std::shared_ptr<Conv2d> out_;
};

}  // namespace equipoise::nets
