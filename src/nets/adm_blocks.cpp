#include "nets/adm_blocks.h"

#include <cmath>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

int64_t channels_of_a_head(int64_t channels, const AdmHeads& heads) {
  const bool by_width = heads.num_head_channels > 0;
  const int64_t divisor = by_width ? heads.num_head_channels : heads.num_heads;
  if (divisor < 1 || channels % divisor != 0)
    throw UsageError(
        {.where = "attention",
         .what = "the channels cannot be split into heads",
         .got = fmt::format("{} channels", channels),
         .expected = fmt::format("a multiple of {} = {}",
                                 by_width ? "num_head_channels" : "num_heads", divisor),
         .hint = ""});
  return by_width ? divisor : channels / divisor;
}

}  // namespace

std::shared_ptr<torch::nn::Module> add_group(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

std::shared_ptr<GroupNorm> adm_norm(int64_t channels) {
  return std::make_shared<GroupNorm>(channels, /*eps=*/1e-5, /*groups=*/32);
}

SequenceConv::SequenceConv(ParameterInit& init, int64_t in_channels, int64_t out_channels,
                           bool is_zero) {
  const auto half_width = is_zero ? 0.0 : 1 / std::sqrt(static_cast<double>(in_channels));
  weight_ = register_parameter("weight", init.uniform({out_channels, in_channels, 1}) * half_width);
  bias_ = register_parameter("bias", init.uniform({out_channels}) * half_width);
}

void AdmStage::add(const std::shared_ptr<AdmLayer>& layer) {
  layers_.push_back(register_module(std::to_string(layers_.size()), layer));
}

at::Tensor AdmStage::forward(const at::Tensor& x, const at::Tensor& emb,
                             const ForwardRandomness* randomness) const {
  at::Tensor hidden = x;
  for (const auto& layer : layers_) hidden = layer->forward(hidden, emb, randomness);
  return hidden;
}

AdmResBlock::AdmResBlock(ParameterInit& init, const AdmBlockShape& shape,
                         const AdmBlockStyle& style, uint32_t layer)
    : resample_(shape.resample),
      use_scale_shift_norm_(style.use_scale_shift_norm),
      dropout_(style.dropout),
      layer_(layer) {
  const int64_t in = shape.in_channels, out = shape.out_channels;
  const auto conv = [&](int64_t from, int64_t to, int64_t kernel, const InitScheme& scheme) {
    return std::make_shared<Conv2d>(init, from, to,
                                    Conv2dOptions{.kernel = kernel, .init = scheme});
  };
  const auto in_layers = add_group(*this, "in_layers");
  in_norm_ = in_layers->register_module("0", adm_norm(in));
  in_conv_ = in_layers->register_module("2", conv(in, out, 3, pytorch_init()));
  emb_linear_ =
      add_group(*this, "emb_layers")
          ->register_module(
              "1", std::make_shared<Linear>(init, style.emb_channels,
                                            use_scale_shift_norm_ ? 2 * out : out, pytorch_init()));
  const auto out_layers = add_group(*this, "out_layers");
  out_norm_ = out_layers->register_module("0", adm_norm(out));
  out_conv_ = out_layers->register_module("3", conv(out, out, 3, kAdmInitZero));
  if (in != out) skip_ = register_module("skip_connection", conv(in, out, 1, pytorch_init()));
}

at::Tensor AdmResBlock::forward(const at::Tensor& x, const at::Tensor& emb,
                                const ForwardRandomness* randomness) const {
  at::Tensor hidden = conditioned(in_conv_->forward(resampled(in_norm_->forward_silu(x))), emb);
  hidden = out_conv_->forward(dropout(hidden, dropout_, randomness, layer_));
  const at::Tensor shortcut = resampled(x);
  return (skip_ ? skip_->forward(shortcut) : shortcut) + hidden;
}

at::Tensor AdmResBlock::resampled(const at::Tensor& x) const {
  if (resample_ == Resample::kDown) return at::avg_pool2d(x, /*kernel_size=*/2);
  if (resample_ == Resample::kUp) return at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  return x;
}

at::Tensor AdmResBlock::conditioned(const at::Tensor& hidden, const at::Tensor& emb) const {
  const at::Tensor shift = emb_linear_->forward(at::silu(emb));
  if (!use_scale_shift_norm_) return out_norm_->forward_silu(hidden, {.offset = shift});
  const auto scale_and_shift = shift.chunk(2, /*dim=*/1);
  return out_norm_->forward_silu(hidden,
                                 {.scale = scale_and_shift[0], .shift = scale_and_shift[1]});
}

AdmDownConv::AdmDownConv(ParameterInit& init, int64_t channels) {
  const double half_width = 1 / std::sqrt(9 * static_cast<double>(channels));
  const auto op = add_group(*this, "op");
  weight_ = op->register_parameter("weight", init.uniform({channels, channels, 3, 3}) * half_width);
  bias_ = op->register_parameter("bias", init.uniform({channels}) * half_width);
}

at::Tensor AdmDownConv::forward(const at::Tensor& x, const at::Tensor& /*emb*/,
                                const ForwardRandomness* /*randomness*/) const {
  return at::conv2d(x, weight_, bias_, /*stride=*/2, /*padding=*/1);
}

AdmUpConv::AdmUpConv(ParameterInit& init, int64_t channels) {
  conv_ = register_module("conv", std::make_shared<Conv2d>(init, channels, channels,
                                                           Conv2dOptions{.init = pytorch_init()}));
}

at::Tensor AdmUpConv::forward(const at::Tensor& x, const at::Tensor& /*emb*/,
                              const ForwardRandomness* /*randomness*/) const {
  return conv_->forward(at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
}

AdmAttention::AdmAttention(ParameterInit& init, int64_t channels, const AdmHeads& heads)
    : head_channels_(channels_of_a_head(channels, heads)), use_new_order_(heads.use_new_order) {
  norm_ = register_module("norm", adm_norm(channels));
  qkv_ =
      register_module("qkv", std::make_shared<SequenceConv>(init, channels, 3 * channels, false));
  proj_out_ =
      register_module("proj_out", std::make_shared<SequenceConv>(init, channels, channels, true));
}

at::Tensor AdmAttention::forward(const at::Tensor& x, const at::Tensor& /*emb*/,
                                 const ForwardRandomness* /*randomness*/) const {
  const at::Tensor sequence = x.flatten(2);
  const auto qkv = queries_keys_values(qkv_->forward(norm_->forward(sequence)));
  const at::Tensor mixed = attention(qkv[0], qkv[1], qkv[2]).reshape(sequence.sizes());
  return x + proj_out_->forward(mixed).reshape(x.sizes());
}

// Heads folded into the batch: three of [B heads, head_channels, positions].
std::vector<at::Tensor> AdmAttention::queries_keys_values(const at::Tensor& qkv) const {
  if (!use_new_order_)
    return qkv.reshape({-1, 3 * head_channels_, qkv.size(2)}).split(head_channels_, /*dim=*/1);
  std::vector<at::Tensor> parts = qkv.chunk(3, /*dim=*/1);
  for (at::Tensor& part : parts) part = part.reshape({-1, head_channels_, qkv.size(2)});
  return parts;
}

AdmEmbedding::AdmEmbedding(torch::nn::Module& parent, ParameterInit& init, int64_t model_channels,
                           int64_t num_label_rows)
    : model_channels_(model_channels) {
  const int64_t emb_channels = 4 * model_channels;
  const auto group = add_group(parent, "time_embed");
  first_ = group->register_module(
      "0", std::make_shared<Linear>(init, model_channels, emb_channels, pytorch_init()));
  second_ = group->register_module(
      "2", std::make_shared<Linear>(init, emb_channels, emb_channels, pytorch_init()));
  if (num_label_rows > 0)
    label_rows_ = add_group(parent, "label_emb")
                      ->register_parameter("weight", init.normal({num_label_rows, emb_channels}));
}

at::Tensor AdmEmbedding::of_time(const at::Tensor& t) const {
  return second_->forward(at::silu(first_->forward(positional_embedding(t, model_channels_))));
}

}  // namespace equipoise::nets
