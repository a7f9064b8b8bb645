#include "nets/unet_trunk.h"

#include <algorithm>
#include <numbers>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

std::string at_resolution(int64_t resolution, const std::string& layer) {
  return fmt::format("{0}x{0}_{1}", resolution, layer);
}

void check_plan(const UNetPlan& plan, const std::string& network) {
  if (plan.channel_mult.empty())
    throw UsageError({.where = network,
                      .what = "channel_mult names no level",
                      .got = "[]",
                      .expected = "one multiplier a level",
                      .hint = "[1, 2, 2]"});
  const int64_t divisor = int64_t{1} << (plan.channel_mult.size() - 1);
  if (plan.resolution % divisor != 0)
    throw UsageError(
        {.where = network,
         .what = "the resolution cannot be halved at every level",
         .got = fmt::format("{0}x{0} with {1} levels", plan.resolution, plan.channel_mult.size()),
         .expected = fmt::format("a multiple of {}", divisor),
         .hint = "fewer entries in channel_mult"});
}

}  // namespace

class UNetTrunk::Builder {
 public:
  Builder(torch::nn::Module& parent, ParameterInit& init, const UNetPlan& plan)
      : plan_(plan),
        init_(init),
        encoder_(parent.register_module("enc", std::make_shared<torch::nn::Module>("enc"))),
        decoder_(parent.register_module("dec", std::make_shared<torch::nn::Module>("dec"))) {}

  int64_t channels() const { return channels_; }

  EncoderLevel encoder_level(int64_t index) {
    const int64_t resolution = plan_.resolution >> index;
    EncoderLevel level;
    if (index == 0) {
      level.conv = conv(*encoder_, at_resolution(resolution, "conv"), plan_.in_channels,
                        plan_.first_channels, 3);
      channels_ = plan_.first_channels;
      aux_channels_ = plan_.in_channels;
    } else {
      level.down = block(*encoder_, at_resolution(resolution, "down"), channels_, channels_,
                         Resample::kDown, false);
      add_image_input(level, resolution);
    }
    skip_channels_.push_back(channels_);
    for (int64_t i = 0; i < plan_.num_blocks; ++i) {
      level.blocks.push_back(
          block(*encoder_, at_resolution(resolution, "block" + std::to_string(i)), channels_,
                level_channels(index), Resample::kNone, has_attention(resolution)));
      skip_channels_.push_back(channels_);
    }
    return level;
  }

  DecoderLevel decoder_level(int64_t index) {
    const int64_t resolution = plan_.resolution >> index;
    const bool is_deepest = index + 1 == static_cast<int64_t>(plan_.channel_mult.size());
    DecoderLevel level;
    if (is_deepest) {
      level.in0 = block(*decoder_, at_resolution(resolution, "in0"), channels_, channels_,
                        Resample::kNone, true);
      level.in1 = block(*decoder_, at_resolution(resolution, "in1"), channels_, channels_,
                        Resample::kNone, false);
    } else {
      level.up = block(*decoder_, at_resolution(resolution, "up"), channels_, channels_,
                       Resample::kUp, false);
    }
    for (int64_t i = 0; i <= plan_.num_blocks; ++i) {
      const bool is_attending = plan_.use_attention_in_all_decoder_blocks || i == plan_.num_blocks;
      level.blocks.push_back(block(
          *decoder_, at_resolution(resolution, "block" + std::to_string(i)), channels_ + pop_skip(),
          level_channels(index), Resample::kNone, is_attending && has_attention(resolution)));
    }
    const bool is_last = index == 0;
    if (plan_.image_output == ImageOutput::kEveryLevel && !is_deepest)
      level.aux_up = conv(*decoder_, at_resolution(resolution, "aux_up"), plan_.out_channels,
                          plan_.out_channels, 0, Resample::kUp);
    if (plan_.image_output == ImageOutput::kEveryLevel ||
        (plan_.image_output == ImageOutput::kFirstLevel && is_last))
      add_image_output(level, resolution);
    return level;
  }

 private:
  int64_t level_channels(int64_t index) const {
    return plan_.model_channels * plan_.channel_mult[index];
  }

  bool has_attention(int64_t resolution) const {
    return std::find(plan_.attn_resolutions.begin(), plan_.attn_resolutions.end(), resolution) !=
           plan_.attn_resolutions.end();
  }

  int64_t pop_skip() {
    const int64_t channels = skip_channels_.back();
    skip_channels_.pop_back();
    return channels;
  }

  std::shared_ptr<UNetBlock> block(torch::nn::Module& parent, const std::string& name,
                                   int64_t in_channels, int64_t out_channels, Resample resample,
                                   bool use_attention) {
    channels_ = out_channels;
    const UNetBlockShape shape{in_channels, out_channels, resample, use_attention};
    return parent.register_module(
        name, std::make_shared<UNetBlock>(init_, shape, plan_.style, num_blocks_made_++));
  }

  std::shared_ptr<Conv2d> conv(torch::nn::Module& parent, const std::string& name,
                               int64_t in_channels, int64_t out_channels, int64_t kernel,
                               Resample resample = Resample::kNone) {
    const Conv2dOptions options{kernel, resample, plan_.style.resample_filter, plan_.init};
    return parent.register_module(
        name, std::make_shared<Conv2d>(init_, in_channels, out_channels, options));
  }

  void add_image_input(EncoderLevel& level, int64_t resolution) {
    if (plan_.image_input == ImageInput::kSkip) {
      level.aux_down = conv(*encoder_, at_resolution(resolution, "aux_down"), aux_channels_,
                            aux_channels_, 0, Resample::kDown);
      level.aux_skip =
          conv(*encoder_, at_resolution(resolution, "aux_skip"), aux_channels_, channels_, 1);
    }
    if (plan_.image_input == ImageInput::kResidual) {
      level.aux_residual = conv(*encoder_, at_resolution(resolution, "aux_residual"), aux_channels_,
                                channels_, 3, Resample::kDownAfterPadding);
      aux_channels_ = channels_;
    }
  }

  void add_image_output(DecoderLevel& level, int64_t resolution) {
    level.aux_norm =
        decoder_->register_module(at_resolution(resolution, "aux_norm"),
                                  std::make_shared<GroupNorm>(channels_, plan_.style.eps));
    const Conv2dOptions options{.init = plan_.init_output};
    level.aux_conv = decoder_->register_module(
        at_resolution(resolution, "aux_conv"),
        std::make_shared<Conv2d>(init_, channels_, plan_.out_channels, options));
  }

  const UNetPlan& plan_;
  ParameterInit& init_;
  std::shared_ptr<torch::nn::Module> encoder_, decoder_;
  int64_t channels_ = 0;      // of the features flowing through the network
  int64_t aux_channels_ = 0;  // of the small image beside them
  std::vector<int64_t> skip_channels_;
  uint32_t num_blocks_made_ = 0;
};

UNetTrunk::UNetTrunk(torch::nn::Module& parent, ParameterInit& init, const UNetPlan& plan,
                     const std::string& network) {
  check_plan(plan, network);
  Builder builder(parent, init, plan);
  const auto num_levels = static_cast<int64_t>(plan.channel_mult.size());
  for (int64_t i = 0; i < num_levels; ++i) encoder_.push_back(builder.encoder_level(i));
  for (int64_t i = num_levels - 1; i >= 0; --i) decoder_.push_back(builder.decoder_level(i));
  channels_ = builder.channels();
}

at::Tensor UNetTrunk::forward(const at::Tensor& x, const at::Tensor& emb,
                              const ForwardRandomness* randomness) const {
  std::vector<at::Tensor> skips;
  at::Tensor features = x, aux = x, image;
  for (const EncoderLevel& level : encoder_) encode(level, features, aux, skips, emb, randomness);
  for (const DecoderLevel& level : decoder_) {
    features = decode(level, features, skips, emb, randomness);
    if (level.aux_up) image = level.aux_up->forward(image);
    if (level.aux_conv) {
      const at::Tensor addition = level.aux_conv->forward(level.aux_norm->forward_silu(features));
      image = image.defined() ? image + addition : addition;
    }
  }
  return image.defined() ? image : features;
}

void UNetTrunk::encode(const EncoderLevel& level, at::Tensor& x, at::Tensor& aux,
                       std::vector<at::Tensor>& skips, const at::Tensor& emb,
                       const ForwardRandomness* randomness) const {
  x = level.conv ? level.conv->forward(x) : level.down->forward(x, emb, randomness);
  if (level.aux_skip) {
    aux = level.aux_down->forward(aux);
    x = x + level.aux_skip->forward(aux);
  }
  if (level.aux_residual) x = aux = (x + level.aux_residual->forward(aux)) / std::numbers::sqrt2;
  skips.push_back(x);
  for (const auto& block : level.blocks) {
    x = block->forward(x, emb, randomness);
    skips.push_back(x);
  }
}

at::Tensor UNetTrunk::decode(const DecoderLevel& level, const at::Tensor& encoded,
                             std::vector<at::Tensor>& skips, const at::Tensor& emb,
                             const ForwardRandomness* randomness) const {
  at::Tensor x =
      level.up ? level.up->forward(encoded, emb, randomness)
               : level.in1->forward(level.in0->forward(encoded, emb, randomness), emb, randomness);
  for (const auto& block : level.blocks) {
    x = block->forward(at::cat({x, skips.back()}, 1), emb, randomness);
    skips.pop_back();
  }
  return x;
}

}  // namespace equipoise::nets
