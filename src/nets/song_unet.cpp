#include "nets/song_unet.h"

#include <cmath>
#include <numbers>

namespace equipoise::nets {
namespace {

constexpr InitScheme kInit{InitLaw::kXavierUniform};
constexpr InitScheme kInitOutput{InitLaw::kXavierUniform, 1e-5};

UNetBlockStyle block_style(const SongUNetConfig& config) {
  return {.emb_channels = config.model_channels * config.channel_mult_emb,
          .channels_per_head = 0,
          .dropout = config.dropout,
          .skip_scale = std::numbers::sqrt2 / 2,
          .eps = 1e-6,
          .resample_filter = config.resample_filter,
          .use_skip_projection = true,
          .use_adaptive_scale = false,
          .recompute = config.recompute,
          .init = kInit,
          .init_output = kInitOutput,
          .init_attention = {InitLaw::kXavierUniform, std::sqrt(0.2)}};
}

ImageInput image_input(const std::string& encoder_type) {
  if (encoder_type == "skip") return ImageInput::kSkip;
  return encoder_type == "residual" ? ImageInput::kResidual : ImageInput::kFirstLevel;
}

UNetPlan plan_of(const SongUNetConfig& config, const DataShape& shape) {
  return {.resolution = shape.resolution,
          .in_channels = shape.channels,
          .out_channels = config.out_channels > 0 ? config.out_channels : shape.channels,
          .first_channels = config.model_channels,
          .model_channels = config.model_channels,
          .channel_mult = config.channel_mult,
          .num_blocks = config.num_blocks,
          .attn_resolutions = config.attn_resolutions,
          .use_attention_in_all_decoder_blocks = false,
          .image_input = image_input(config.encoder_type),
          .image_output =
              config.decoder_type == "skip" ? ImageOutput::kEveryLevel : ImageOutput::kFirstLevel,
          .init = kInit,
          .init_output = kInitOutput,
          .style = block_style(config)};
}

// The embeddings give cosines first; this network is trained with sines first.
at::Tensor sines_first(const at::Tensor& emb) {
  const auto halves = emb.chunk(2, /*dim=*/1);
  return at::cat({halves[1], halves[0]}, 1);
}

}  // namespace

void SongUNetConfig::fields(FieldVisitor& f) {
  f("out_channels", out_channels, "", "output channels; 0 = as many as the data has", {0, 4096});
  f("augment_dim", augment_dim, "", "length of the augmentation labels; 0 = none", {0, 1024});
  f("model_channels", model_channels, "", "channels the multipliers multiply", {4, 4096});
  f("channel_mult", channel_mult, "", "channel multiplier of each level, finest first", {1, 64});
  f("channel_mult_emb", channel_mult_emb, "", "multiplier for the conditioning vector", {1, 64});
  f("num_blocks", num_blocks, "", "residual blocks a level", {1, 64});
  f("attn_resolutions", attn_resolutions, "pixels", "resolutions with self-attention", {1, 4096});
  f("dropout", dropout, "", "probability of zeroing an activation", {0, 1});
  f("label_dropout", label_dropout, "", "probability of training without the class label", {0, 1});
  f.choice("embedding_type", embedding_type, {"positional", "fourier", "zero"},
           "how the noise level enters");
  f("channel_mult_noise", channel_mult_noise, "", "multiplier for the noise embedding", {1, 64});
  f.choice("encoder_type", encoder_type, {"standard", "skip", "residual"},
           "how small images enter lower levels");
  f.choice("decoder_type", decoder_type, {"standard", "skip"},
           "skip: every level adds to the output image");
  f("resample_filter", resample_filter, "", "taps of the filter that halves and doubles images");
  f("recompute", recompute, "",
    "training keeps the blocks' inputs alone and computes the rest again: a fraction of the memory "
    "for a third more time");
}

SongUNet::SongUNet(const SongUNetConfig& config, const DataShape& shape, uint64_t init_seed)
    : config_(config), label_dim_(shape.label_dim) {
  check_is_image(shape, "network SongUNet");
  ParameterInit init(init_seed);
  const int64_t emb_channels = config.model_channels * config.channel_mult_emb;
  const int64_t noise_channels = config.model_channels * config.channel_mult_noise;
  if (config.embedding_type != "zero") {
    if (config.embedding_type == "fourier")
      map_noise_ =
          register_module("map_noise", std::make_shared<FourierEmbedding>(init, noise_channels));
    if (label_dim_ > 0)
      map_label_ = register_module(
          "map_label", std::make_shared<Linear>(init, label_dim_, noise_channels, kInit));
    if (config.augment_dim > 0)
      map_augment_ = register_module(
          "map_augment", std::make_shared<Linear>(init, config.augment_dim, noise_channels, kInit,
                                                  /*use_bias=*/false));
    map_layer0_ = register_module(
        "map_layer0", std::make_shared<Linear>(init, noise_channels, emb_channels, kInit));
    map_layer1_ = register_module(
        "map_layer1", std::make_shared<Linear>(init, emb_channels, emb_channels, kInit));
  }
  trunk_ = std::make_unique<UNetTrunk>(*this, init, plan_of(config, shape), "network SongUNet");
}

at::Tensor SongUNet::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                             const Conditions& conditions) {
  return trunk_->forward(x, embedding(noise_labels, conditions), conditions.randomness);
}

at::Tensor SongUNet::embedding(const at::Tensor& noise_labels, const Conditions& conditions) const {
  const int64_t batch = noise_labels.size(0);
  if (config_.embedding_type == "zero")
    return at::zeros({batch, config_.model_channels * config_.channel_mult_emb},
                     noise_labels.options());
  const int64_t noise_channels = config_.model_channels * config_.channel_mult_noise;
  at::Tensor emb = sines_first(
      map_noise_ ? map_noise_->forward(noise_labels)
                 : positional_embedding(noise_labels, noise_channels, /*use_endpoint=*/true));
  if (map_label_) {
    const at::Tensor labels = prepare_labels(conditions, label_dim_, config_.label_dropout, emb);
    emb = emb + map_label_->forward(labels * std::sqrt(static_cast<double>(label_dim_)));
  }
  if (map_augment_ && conditions.augment_labels.defined())
    emb = emb + map_augment_->forward(conditions.augment_labels);
  return at::silu(map_layer1_->forward(at::silu(map_layer0_->forward(emb))));
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "SongUNet",
     .summary = "DDPM++ or NCSN++ U-Net.",
     .source = "Song et al. 2021 (arXiv:2011.13456); Karras et al. 2022 (arXiv:2206.00364), App. F",
     .use_when = "Images of 16x16 to 64x64; PatchUNet when only a processor is at hand."},
    plugin_for<DenoiserNetwork, SongUNet, SongUNetConfig>("network SongUNet"));

}  // namespace
}  // namespace equipoise::nets
