// The U of ADM's networks, or its descending half alone: stages of residual blocks and attention
// with halving between levels.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "nets/adm_blocks.h"

namespace equipoise::nets {

struct AdmTrunkPlan {
  int64_t resolution = 32;
  int64_t in_channels = 3;
  std::vector<int64_t> level_channels = {};  ///< finest first
  int64_t num_res_blocks = 2;
  std::vector<int64_t> attention_resolutions = {};
  AdmHeads heads = {};
  AdmBlockStyle style = {};
  bool resample_in_blocks = true;  ///< by residual blocks; otherwise by convolutions
  bool has_decoder = false;
};

/// Registers "input_blocks", "middle_block" and, with a decoder, "output_blocks" in `parent`.
class AdmTrunk {
 public:
  /// Throws UsageError when there is no level, or when the resolution does not halve evenly; names
  /// `where`.
  AdmTrunk(torch::nn::Module& parent, ParameterInit& init, const AdmTrunkPlan& plan,
           const std::string& where);
  /// x [B,in_channels,R,R], emb [B,emb_channels]: the middle block's output, or the last decoder
  /// stage's [B,channels(),resolution(),resolution()].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const;
  int64_t channels() const { return channels_; }
  int64_t resolution() const { return resolution_; }

 private:
  /// Makes stages and keeps count of channels, resolution and blocks on the way.
  class Builder;

  std::shared_ptr<Conv2d> first_;
  std::vector<std::shared_ptr<AdmStage>> encoder_, decoder_;
  std::shared_ptr<AdmStage> middle_;
  int64_t channels_ = 0, resolution_ = 0;
};

}  // namespace equipoise::nets
