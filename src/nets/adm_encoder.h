// The noise-conditioned encoder classifier of ADM ("half U-Net"): feature extractor and head of the
// published discriminators.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/adm_trunk.h"
#include "nets/layers.h"

namespace equipoise::nets {

/// Defaults: the extractor for 32x32 images.
struct EncoderUNetConfig {
  int64_t model_channels = 128;
  std::vector<int64_t> channel_mult = {1, 2, 4};
  int64_t num_res_blocks = 4;
  std::vector<int64_t> attention_resolutions = {32, 16, 8};
  int64_t num_head_channels = 64;
  int64_t out_channels = 1000;  ///< outputs of the pooling head; 0 = no head, features only
  int64_t num_label_rows = 0;   ///< rows of the label embedding; 0 = unconditional

  /// All but num_label_rows, which follows from the data.
  void fields(FieldVisitor& f);
};

class AttentionPool;

/// Residual blocks with scale and shift by the time, attention at the given resolutions, halving by
/// 2x2 means between levels; then attention pooling to one vector.
///
/// Source: Dhariwal and Nichol 2021 (arXiv:2105.05233), App. I; parameter names equal that
/// release's state dict. Shapes: x [B,in_channels,R,R] float32; t [B] VP times in [0,1] (scaled by
/// 999 inside); labels [B,K] one-hot, K <=
///   num_label_rows, when conditional; features [B,feature_channels(),R/2^l,R/2^l]; forward
///   [B,out_channels].
class EncoderUNet : public torch::nn::Module {
 public:
  /// Throws UsageError naming `where` when the sizes do not fit one another.
  EncoderUNet(ParameterInit& init, const EncoderUNetConfig& config, int64_t resolution,
              int64_t in_channels, const std::string& where);
  /// The middle block's output, before the head.
  at::Tensor features(const at::Tensor& x, const at::Tensor& t,
                      const at::Tensor& labels = {}) const;
  at::Tensor forward(const at::Tensor& x, const at::Tensor& t, const at::Tensor& labels = {}) const;
  int64_t feature_channels() const { return trunk_->channels(); }
  int64_t feature_resolution() const { return trunk_->resolution(); }

 private:
  at::Tensor embedding(const at::Tensor& t, const at::Tensor& labels) const;

  std::unique_ptr<AdmEmbedding> embedding_;
  std::unique_ptr<AdmTrunk> trunk_;
  std::shared_ptr<GroupNorm> out_norm_;
  std::shared_ptr<AttentionPool> out_pool_;
};

}  // namespace equipoise::nets
