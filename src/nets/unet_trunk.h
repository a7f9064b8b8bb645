// The U of a U-Net: encoder levels, decoder levels and the skips between them. What differs between
// networks is in the plan.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/libtorch.h"
#include "nets/unet_block.h"

namespace equipoise::nets {

/// How small versions of the input enter the lower encoder levels.
enum class ImageInput { kFirstLevel, kSkip, kResidual };
/// Where images leave the decoder.
enum class ImageOutput {
  kNone,        ///< forward() returns features; the network turns them into an image
  kFirstLevel,  ///< the finest level's features become the image
  kEveryLevel,  ///< every level adds to the image
};

struct UNetPlan {
  int64_t resolution = 32;
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t first_channels = 128;  ///< after the first convolution
  int64_t model_channels = 128;  ///< what channel_mult multiplies
  std::vector<int64_t> channel_mult = {};
  int64_t num_blocks = 4;
  std::vector<int64_t> attn_resolutions = {};
  bool use_attention_in_all_decoder_blocks = false;  ///< otherwise in the last of each level
  ImageInput image_input = ImageInput::kFirstLevel;
  ImageOutput image_output = ImageOutput::kFirstLevel;
  InitScheme init = {}, init_output = {};
  UNetBlockStyle style = {};
};

/// Registers its layers in `parent` as "enc.…" and "dec.…" under the EDM release's names.
class UNetTrunk {
 public:
  /// Throws UsageError when the plan has no level or the resolution does not halve evenly;
  /// `network` is named.
  UNetTrunk(torch::nn::Module& parent, ParameterInit& init, const UNetPlan& plan,
            const std::string& network);
  /// x [B,in_channels,R,R]; emb [B,emb_channels]; returns [B,out_channels,R,R], or features
  /// [B,feature_channels(),R,R].
  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb,
                     const ForwardRandomness* randomness) const;
  int64_t feature_channels() const { return channels_; }

 private:
  struct EncoderLevel {
    std::shared_ptr<Conv2d> conv;     // the first level only
    std::shared_ptr<UNetBlock> down;  // all other levels
    std::shared_ptr<Conv2d> aux_down, aux_skip, aux_residual;
    std::vector<std::shared_ptr<UNetBlock>> blocks;
  };
  struct DecoderLevel {
    std::shared_ptr<UNetBlock> in0, in1;  // the deepest level only
    std::shared_ptr<UNetBlock> up;        // all other levels
    std::vector<std::shared_ptr<UNetBlock>> blocks;
    std::shared_ptr<Conv2d> aux_up, aux_conv;
    std::shared_ptr<GroupNorm> aux_norm;
  };
  /// Registers layers level by level and keeps count of channels on the way.
  class Builder;

  void encode(const EncoderLevel& level, at::Tensor& x, at::Tensor& aux,
              std::vector<at::Tensor>& skips, const at::Tensor& emb,
              const ForwardRandomness* randomness) const;
  at::Tensor decode(const DecoderLevel& level, const at::Tensor& x, std::vector<at::Tensor>& skips,
                    const at::Tensor& emb, const ForwardRandomness* randomness) const;

  std::vector<EncoderLevel> encoder_;
  std::vector<DecoderLevel> decoder_;  // deepest first
  int64_t channels_ = 0;
};

}  // namespace equipoise::nets
