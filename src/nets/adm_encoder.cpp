#include "nets/adm_encoder.h"

#include <cmath>

#include "core/error.h"

namespace equipoise::nets {

/// One token of attention over all positions: the mean is prepended, asks, and is read.
class AttentionPool : public torch::nn::Module {
 public:
  AttentionPool(ParameterInit& init, int64_t resolution, int64_t channels, int64_t head_channels,
                int64_t out_channels)
      : head_channels_(head_channels) {
    const double scale = 1 / std::sqrt(static_cast<double>(channels));
    positional_embedding_ = register_parameter(
        "positional_embedding", init.normal({channels, resolution * resolution + 1}) * scale);
    qkv_proj_ = register_module(
        "qkv_proj", std::make_shared<SequenceConv>(init, channels, 3 * channels, false));
    c_proj_ = register_module("c_proj",
                              std::make_shared<SequenceConv>(init, channels, out_channels, false));
  }

  // Channels of qkv are (q | k | v, head, channel of the head): the new order of AdmHeads.
  at::Tensor forward(const at::Tensor& x) const {
    const at::Tensor positions = x.flatten(2);
    const at::Tensor tokens =
        at::cat({positions.mean(2, /*keepdim=*/true), positions}, 2) + positional_embedding_;
    const auto qkv = qkv_proj_->forward(tokens).chunk(3, /*dim=*/1);
    const auto by_head = [&](const at::Tensor& t) {
      return t.reshape({-1, head_channels_, t.size(2)});
    };
    const at::Tensor pooled =
        attention(by_head(qkv[0].narrow(/*dim=*/2, 0, 1)), by_head(qkv[1]), by_head(qkv[2]));
    return c_proj_->forward(pooled.reshape({x.size(0), x.size(1), 1})).squeeze(2);
  }

 private:
  int64_t head_channels_;
  at::Tensor positional_embedding_;
  std::shared_ptr<SequenceConv> qkv_proj_, c_proj_;
};

namespace {

AdmTrunkPlan plan_of(const EncoderUNetConfig& config, int64_t resolution, int64_t in_channels) {
  std::vector<int64_t> level_channels;
  for (const int64_t mult : config.channel_mult)
    level_channels.push_back(mult * config.model_channels);
  return {.resolution = resolution,
          .in_channels = in_channels,
          .level_channels = level_channels,
          .num_res_blocks = config.num_res_blocks,
          .attention_resolutions = config.attention_resolutions,
          .heads = {.num_head_channels = config.num_head_channels},
          .style = {.emb_channels = 4 * config.model_channels}};
}

}  // namespace

void EncoderUNetConfig::fields(FieldVisitor& f) {
  f("model_channels", model_channels, "", "channels the multipliers multiply; a multiple of 32",
    {32, 4096});
  f("channel_mult", channel_mult, "", "channel multiplier of each level, finest first", {1, 64});
  f("num_res_blocks", num_res_blocks, "", "residual blocks a level", {1, 64});
  f("attention_resolutions", attention_resolutions, "pixels", "resolutions with self-attention",
    {1, 4096});
  f("num_head_channels", num_head_channels, "", "channels of an attention head", {1, 4096});
  f("out_channels", out_channels, "", "outputs of the pooling head; 0 = no head", {0, 100000});
}

EncoderUNet::EncoderUNet(ParameterInit& init, const EncoderUNetConfig& config, int64_t resolution,
                         int64_t in_channels, const std::string& where) {
  embedding_ =
      std::make_unique<AdmEmbedding>(*this, init, config.model_channels, config.num_label_rows);
  trunk_ = std::make_unique<AdmTrunk>(*this, init, plan_of(config, resolution, in_channels), where);
  if (config.out_channels == 0) return;
  const auto out = add_group(*this, "out");
  out_norm_ = out->register_module("0", adm_norm(feature_channels()));
  out_pool_ = out->register_module(
      "2", std::make_shared<AttentionPool>(init, feature_resolution(), feature_channels(),
                                           config.num_head_channels, config.out_channels));
}

at::Tensor EncoderUNet::embedding(const at::Tensor& t, const at::Tensor& labels) const {
  const at::Tensor time = embedding_->of_time(t * 999);
  const at::Tensor& rows = embedding_->label_rows();
  if (!rows.defined()) return time;
  return time + at::embedding(rows, required_labels(labels, "encoder").argmax(1));
}

at::Tensor EncoderUNet::features(const at::Tensor& x, const at::Tensor& t,
                                 const at::Tensor& labels) const {
  return trunk_->forward(x, embedding(t, labels), /*randomness=*/nullptr);
}

at::Tensor EncoderUNet::forward(const at::Tensor& x, const at::Tensor& t,
                                const at::Tensor& labels) const {
  EQUIPOISE_ASSERT(out_pool_ != nullptr);
  return out_pool_->forward(out_norm_->forward_silu(features(x, t, labels)));
}

}  // namespace equipoise::nets
