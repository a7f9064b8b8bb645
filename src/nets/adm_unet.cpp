#include "nets/adm_unet.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "network ADMUNet";

AdmTrunkPlan plan_of(const AdmUNetConfig& config, const DataShape& shape) {
  std::vector<int64_t> level_channels;
  // A fraction of a channel is dropped, as in the reference.
  for (const double mult : config.channel_mult)
    level_channels.push_back(
        static_cast<int64_t>(mult * static_cast<double>(config.model_channels)));
  return {.resolution = shape.resolution,
          .in_channels = shape.channels,
          .level_channels = level_channels,
          .num_res_blocks = config.num_res_blocks,
          .attention_resolutions = config.attention_resolutions,
          .heads = {.num_heads = config.num_heads,
                    .num_head_channels = config.num_head_channels,
                    .use_new_order = config.use_new_attention_order},
          .style = {.emb_channels = 4 * config.model_channels,
                    .use_scale_shift_norm = config.use_scale_shift_norm,
                    .dropout = config.dropout},
          .resample_in_blocks = config.resblock_updown,
          .has_decoder = true};
}

}  // namespace

void AdmUNetConfig::fields(FieldVisitor& f) {
  f("model_channels", model_channels, "", "channels the multipliers multiply; a multiple of 32",
    {32, 4096});
  f("channel_mult", channel_mult, "", "channel multiplier of each level, finest first", {0.1, 64});
  f("num_res_blocks", num_res_blocks, "", "residual blocks a level", {1, 64});
  f("attention_resolutions", attention_resolutions, "pixels", "resolutions with self-attention",
    {1, 4096});
  f("num_heads", num_heads, "", "attention heads, when num_head_channels is 0", {1, 4096});
  f("num_head_channels", num_head_channels, "",
    "channels of an attention head; 0 = num_heads decides", {0, 4096});
  f("use_scale_shift_norm", use_scale_shift_norm, "",
    "the embedding scales and shifts after the norm; otherwise it is added before");
  f("resblock_updown", resblock_updown, "",
    "residual blocks halve and double; otherwise convolutions do");
  f("use_new_attention_order", use_new_attention_order, "",
    "qkv is split before the heads; otherwise after");
  f("learn_sigma", learn_sigma, "", "twice the output channels: the variance too");
  f("dropout", dropout, "", "probability of zeroing an activation", {0, 1});
}

AdmUNet::AdmUNet(const AdmUNetConfig& config, const DataShape& shape, uint64_t init_seed) {
  check_is_image(shape, kWhere);
  ParameterInit init(init_seed);
  embedding_ = std::make_unique<AdmEmbedding>(*this, init, config.model_channels, shape.label_dim);
  trunk_ = std::make_unique<AdmTrunk>(*this, init, plan_of(config, shape), kWhere);
  const auto out = add_group(*this, "out");
  out_norm_ = out->register_module("0", adm_norm(trunk_->channels()));
  const int64_t out_channels = config.learn_sigma ? 2 * shape.channels : shape.channels;
  out_conv_ =
      out->register_module("2", std::make_shared<Conv2d>(init, trunk_->channels(), out_channels,
                                                         Conv2dOptions{.init = kAdmInitZero}));
}

at::Tensor AdmUNet::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                            const Conditions& conditions) {
  at::Tensor emb = embedding_->of_time(noise_labels);
  const at::Tensor& rows = embedding_->label_rows();
  if (rows.defined())
    emb =
        emb + at::matmul(prepare_labels(conditions, rows.size(0), /*label_dropout=*/0, emb), rows);
  return out_conv_->forward(
      out_norm_->forward_silu(trunk_->forward(x, emb, conditions.randomness)));
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "ADMUNet",
     .summary = "ADM U-Net under its own release's names: predicts the noise and, if asked, the "
                "variance of a discrete-time model.",
     .source = "Dhariwal and Nichol 2021 (arXiv:2105.05233), App. F; Nichol and Dhariwal 2021 "
               "(arXiv:2102.09672)",
     .use_when = "Weights of guided-diffusion are at hand (`equipoise import adm`); prefer "
                 "DhariwalUNet to train anew."},
    plugin_for<DenoiserNetwork, AdmUNet, AdmUNetConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
