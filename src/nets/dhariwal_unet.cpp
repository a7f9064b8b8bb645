#include "nets/dhariwal_unet.h"

#include <cmath>

namespace equipoise::nets {
namespace {

constexpr InitScheme kInitZero{InitLaw::kKaimingUniform, 0};

UNetPlan plan_of(const DhariwalUNetConfig& config, const DataShape& shape) {
  const UNetBlockStyle style{.emb_channels = config.model_channels * config.channel_mult_emb,
                             .channels_per_head = 64,
                             .dropout = config.dropout,
                             .recompute = config.recompute,
                             .init = pytorch_init(),
                             .init_output = kInitZero,
                             .init_attention = pytorch_init()};
  return {.resolution = shape.resolution,
          .in_channels = shape.channels,
          .out_channels = 0,
          .first_channels =
              config.channel_mult.empty() ? 0 : config.model_channels * config.channel_mult[0],
          .model_channels = config.model_channels,
          .channel_mult = config.channel_mult,
          .num_blocks = config.num_blocks,
          .attn_resolutions = config.attn_resolutions,
          .use_attention_in_all_decoder_blocks = true,
          .image_input = ImageInput::kFirstLevel,
          .image_output = ImageOutput::kNone,
          .init = pytorch_init(),
          .init_output = kInitZero,
          .style = style};
}

}  // namespace

void DhariwalUNetConfig::fields(FieldVisitor& f) {
  f("out_channels", out_channels, "", "output channels; 0 = as many as the data has", {0, 4096});
  f("augment_dim", augment_dim, "", "length of the augmentation labels; 0 = none", {0, 1024});
  f("model_channels", model_channels, "", "channels the multipliers multiply", {4, 4096});
  f("channel_mult", channel_mult, "", "channel multiplier of each level, finest first", {1, 64});
  f("channel_mult_emb", channel_mult_emb, "", "multiplier for the conditioning vector", {1, 64});
  f("num_blocks", num_blocks, "", "residual blocks a level", {1, 64});
  f("attn_resolutions", attn_resolutions, "pixels", "resolutions with self-attention", {1, 4096});
  f("dropout", dropout, "", "probability of zeroing an activation", {0, 1});
  f("label_dropout", label_dropout, "", "probability of training without the class label", {0, 1});
  f("recompute", recompute, "",
    "training keeps the blocks' inputs alone and computes the rest again: a fraction of the memory "
    "for a third more time");
}

DhariwalUNet::DhariwalUNet(const DhariwalUNetConfig& config, const DataShape& shape,
                           uint64_t init_seed)
    : config_(config), label_dim_(shape.label_dim) {
  check_is_image(shape, "network DhariwalUNet");
  ParameterInit init(init_seed);
  const int64_t channels = config.model_channels, emb_channels = channels * config.channel_mult_emb;
  if (config.augment_dim > 0)
    map_augment_ =
        register_module("map_augment", std::make_shared<Linear>(init, config.augment_dim, channels,
                                                                kInitZero, /*use_bias=*/false));
  map_layer0_ = register_module(
      "map_layer0", std::make_shared<Linear>(init, channels, emb_channels, pytorch_init()));
  map_layer1_ = register_module(
      "map_layer1", std::make_shared<Linear>(init, emb_channels, emb_channels, pytorch_init()));
  if (label_dim_ > 0) {
    const InitScheme scheme{InitLaw::kKaimingNormal, std::sqrt(static_cast<double>(label_dim_))};
    map_label_ = register_module(
        "map_label",
        std::make_shared<Linear>(init, label_dim_, emb_channels, scheme, /*use_bias=*/false));
  }
  trunk_ = std::make_unique<UNetTrunk>(*this, init, plan_of(config, shape), "network DhariwalUNet");
  const int64_t out_channels = config.out_channels > 0 ? config.out_channels : shape.channels;
  out_norm_ =
      register_module("out_norm", std::make_shared<GroupNorm>(trunk_->feature_channels(), 1e-5));
  out_conv_ = register_module(
      "out_conv", std::make_shared<Conv2d>(init, trunk_->feature_channels(), out_channels,
                                           Conv2dOptions{.init = kInitZero}));
}

at::Tensor DhariwalUNet::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                                 const Conditions& conditions) {
  const at::Tensor features =
      trunk_->forward(x, embedding(noise_labels, conditions), conditions.randomness);
  return out_conv_->forward(out_norm_->forward_silu(features));
}

at::Tensor DhariwalUNet::embedding(const at::Tensor& noise_labels,
                                   const Conditions& conditions) const {
  at::Tensor emb = positional_embedding(noise_labels, config_.model_channels);
  if (map_augment_ && conditions.augment_labels.defined())
    emb = emb + map_augment_->forward(conditions.augment_labels);
  emb = map_layer1_->forward(at::silu(map_layer0_->forward(emb)));
  if (map_label_)
    emb = emb +
          map_label_->forward(prepare_labels(conditions, label_dim_, config_.label_dropout, emb));
  return at::silu(emb);
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "DhariwalUNet",
     .summary = "ADM U-Net: scale-and-shift conditioning, attention with heads of 64 channels.",
     .source = "Dhariwal and Nichol 2021 (arXiv:2105.05233); Karras et al. 2022 "
               "(arXiv:2206.00364), App. F",
     .use_when = "Class-conditional images on an accelerator; prefer SongUNet for small or "
                 "unconditional ones."},
    plugin_for<DenoiserNetwork, DhariwalUNet, DhariwalUNetConfig>("network DhariwalUNet"));

}  // namespace
}  // namespace equipoise::nets
