#include "nets/unet_block.h"

#include <optional>

#include <fmt/format.h>

#include "core/error.h"
#include "nets/recompute.h"

namespace equipoise::nets {
namespace {

// Fewer channels than a head holds means no attention, as in the reference.
int64_t count_heads(const UNetBlockShape& shape, const UNetBlockStyle& style) {
  if (!shape.use_attention) return 0;
  if (style.channels_per_head == 0) return 1;
  const int64_t heads = shape.out_channels / style.channels_per_head;
  if (heads > 0 && shape.out_channels % heads != 0)
    throw UsageError({.where = "attention",
                      .what = "the channels cannot be split into equal heads",
                      .got = fmt::format("{} channels, {} heads", shape.out_channels, heads),
                      .expected = fmt::format("a multiple of {}", style.channels_per_head),
                      .hint = ""});
  return heads;
}

}  // namespace

UNetBlock::UNetBlock(ParameterInit& init, const UNetBlockShape& shape, const UNetBlockStyle& style,
                     uint32_t layer)
    : in_channels_(shape.in_channels),
      num_heads_(count_heads(shape, style)),
      dropout_(style.dropout),
      skip_scale_(style.skip_scale),
      use_adaptive_scale_(style.use_adaptive_scale),
      recompute_(style.recompute),
      layer_(layer) {
  const int64_t in = shape.in_channels, out = shape.out_channels;
  const auto conv = [&](int64_t from, int64_t to, int64_t kernel, Resample resample,
                        const InitScheme& scheme) {
    return std::make_shared<Conv2d>(init, from, to,
                                    Conv2dOptions{kernel, resample, style.resample_filter, scheme});
  };
  norm0_ = register_module("norm0", std::make_shared<GroupNorm>(in, style.eps));
  conv0_ = register_module("conv0", conv(in, out, 3, shape.resample, style.init));
  affine_ = register_module(
      "affine", std::make_shared<Linear>(init, style.emb_channels,
                                         use_adaptive_scale_ ? 2 * out : out, style.init));
  norm1_ = register_module("norm1", std::make_shared<GroupNorm>(out, style.eps));
  conv1_ = register_module("conv1", conv(out, out, 3, Resample::kNone, style.init_output));
  if (in != out || shape.resample != Resample::kNone) {
    const int64_t kernel = in != out || style.use_skip_projection ? 1 : 0;
    skip_ = register_module("skip", conv(in, out, kernel, shape.resample, style.init));
  }
  if (num_heads_ > 0) {
    norm2_ = register_module("norm2", std::make_shared<GroupNorm>(out, style.eps));
    qkv_ = register_module("qkv", conv(out, 3 * out, 1, Resample::kNone, style.init_attention));
    proj_ = register_module("proj", conv(out, out, 1, Resample::kNone, style.init_output));
  }
}

at::Tensor UNetBlock::forward(const at::Tensor& x, const at::Tensor& emb,
                              const ForwardRandomness* randomness) const {
  if (!recompute_) return computed(x, emb, randomness);
  std::optional<ForwardRandomness> kept;
  if (randomness != nullptr) kept = *randomness;
  return recomputed(
      [this, kept](const Tensors& inputs) {
        return computed(inputs[0], inputs[1], kept ? &*kept : nullptr);
      },
      {x, emb}, parameters());
}

at::Tensor UNetBlock::computed(const at::Tensor& x, const at::Tensor& emb,
                               const ForwardRandomness* randomness) const {
  at::Tensor hidden = conditioned(conv0_->forward(norm0_->forward_silu(x)), emb);
  hidden = conv1_->forward(dropout(hidden, dropout_, randomness, layer_));
  const at::Tensor result = scaled_sum(skip_ ? skip_->forward(x) : x, hidden, skip_scale_);
  return num_heads_ > 0 ? attended(result) : result;
}

at::Tensor UNetBlock::conditioned(const at::Tensor& hidden, const at::Tensor& emb) const {
  const at::Tensor shift = affine_->forward(emb);
  if (!use_adaptive_scale_) return norm1_->forward_silu(hidden, {.offset = shift});
  const auto scale_and_shift = shift.chunk(2, /*dim=*/1);
  return norm1_->forward_silu(hidden, {.scale = scale_and_shift[0], .shift = scale_and_shift[1]});
}

at::Tensor UNetBlock::attended(const at::Tensor& x) const {
  const at::Tensor mixed = self_attention(qkv_->forward(norm2_->forward(x)), num_heads_);
  return scaled_sum(x, proj_->forward(mixed), skip_scale_);
}

}  // namespace equipoise::nets
