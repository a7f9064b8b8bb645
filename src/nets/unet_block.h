// The residual block of all U-Nets here: two convolutions, conditioning on the noise level,
// optional resampling, attention.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/libtorch.h"
#include "nets/layers.h"

namespace equipoise::nets {

/// What the blocks of one network have in common.
struct UNetBlockStyle {
  int64_t emb_channels = 0;
  int64_t channels_per_head = 64;  ///< 0 = one head whatever the channels
  double dropout = 0;
  double skip_scale = 1;  ///< factor on every residual sum
  double eps = 1e-5;
  std::vector<double> resample_filter = {1, 1};
  /// 1x1 convolution on the skip path of resampling blocks even at equal channels.
  bool use_skip_projection = false;
  /// Embedding gives scale and shift after the norm; otherwise a shift before it.
  bool use_adaptive_scale = true;
  bool recompute = false;  ///< training keeps a block's inputs alone (nets/recompute.h)
  InitScheme init = {}, init_output = {}, init_attention = {};
};

struct UNetBlockShape {
  int64_t in_channels = 0;
  int64_t out_channels = 0;
  Resample resample = Resample::kNone;
  bool use_attention = false;
};

///   h = conv1(dropout(SiLU(GN(conv0(SiLU(GN(x)))) with the embedding)))
///   y = skip_scale (skip(x) + h)
///   y = skip_scale (y + proj(attention(qkv(GN(y)))))      with attention
///
/// Names of parameters: norm0 conv0 affine norm1 conv1 [skip] [norm2 qkv proj], as in the EDM
/// release. `layer` addresses the block's dropout masks: unique within a network.
class UNetBlock : public torch::nn::Module {
 public:
  UNetBlock(ParameterInit& init, const UNetBlockShape& shape, const UNetBlockStyle& style,
            uint32_t layer);
  /// x [B,in,H,W]; emb [B,emb_channels].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const;
  int64_t in_channels() const { return in_channels_; }

 private:
  at::Tensor computed(const at::Tensor& x, const at::Tensor& emb,
                      const ForwardRandomness* randomness) const;
  at::Tensor conditioned(const at::Tensor& hidden, const at::Tensor& emb) const;
  at::Tensor attended(const at::Tensor& x) const;

  int64_t in_channels_;
  int64_t num_heads_ = 0;
  double dropout_, skip_scale_;
  bool use_adaptive_scale_, recompute_;
  uint32_t layer_;
  std::shared_ptr<GroupNorm> norm0_, norm1_, norm2_;
  std::shared_ptr<Conv2d> conv0_, conv1_, skip_, qkv_, proj_;
  std::shared_ptr<Linear> affine_;
};

}  // namespace equipoise::nets
