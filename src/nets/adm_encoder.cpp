#include "nets/adm_encoder.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

constexpr InitScheme kInitZero{InitLaw::kKaimingUniform, 0};

// The reference counts layers inside its containers: a group is such a container, its members'
// names are numbers.
std::shared_ptr<torch::nn::Module> add_group(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>(name));
}

std::shared_ptr<GroupNorm> make_norm(int64_t channels) {
  return std::make_shared<GroupNorm>(channels, /*eps=*/1e-5, /*groups=*/32);
}

}  // namespace

/// 1x1 convolution over a sequence, weight [out,in,1].
class SequenceConv : public torch::nn::Module {
 public:
  SequenceConv(ParameterInit& init, int64_t in_channels, int64_t out_channels, bool is_zero) {
    const auto half_width = is_zero ? 0.0 : 1 / std::sqrt(static_cast<double>(in_channels));
    weight_ =
        register_parameter("weight", init.uniform({out_channels, in_channels, 1}) * half_width);
    bias_ = register_parameter("bias", init.uniform({out_channels}) * half_width);
  }
  at::Tensor forward(const at::Tensor& x) const { return linear_over_channels(x, weight_, bias_); }

 private:
  at::Tensor weight_, bias_;
};

class EncoderResBlock : public torch::nn::Module {
 public:
  EncoderResBlock(ParameterInit& init, int64_t in_channels, int64_t out_channels,
                  int64_t emb_channels, bool is_halving)
      : is_halving_(is_halving) {
    const auto conv = [&](int64_t from, int64_t to, int64_t kernel, const InitScheme& scheme) {
      return std::make_shared<Conv2d>(init, from, to,
                                      Conv2dOptions{.kernel = kernel, .init = scheme});
    };
    const auto in_layers = add_group(*this, "in_layers");
    in_norm_ = in_layers->register_module("0", make_norm(in_channels));
    in_conv_ = in_layers->register_module("2", conv(in_channels, out_channels, 3, pytorch_init()));
    emb_linear_ =
        add_group(*this, "emb_layers")
            ->register_module("1", std::make_shared<Linear>(init, emb_channels, 2 * out_channels,
                                                            pytorch_init()));
    const auto out_layers = add_group(*this, "out_layers");
    out_norm_ = out_layers->register_module("0", make_norm(out_channels));
    out_conv_ = out_layers->register_module("3", conv(out_channels, out_channels, 3, kInitZero));
    if (in_channels != out_channels)
      skip_ =
          register_module("skip_connection", conv(in_channels, out_channels, 1, pytorch_init()));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb) const {
    const auto scale_and_shift = emb_linear_->forward(at::silu(emb)).chunk(2, /*dim=*/1);
    at::Tensor hidden = in_conv_->forward(halved(in_norm_->forward_silu(x)));
    hidden = out_conv_->forward(out_norm_->forward_silu(
        hidden, {.scale = scale_and_shift[0], .shift = scale_and_shift[1]}));
    const at::Tensor shortcut = halved(x);
    return (skip_ ? skip_->forward(shortcut) : shortcut) + hidden;
  }

 private:
  at::Tensor halved(const at::Tensor& x) const {
    return is_halving_ ? at::avg_pool2d(x, /*kernel_size=*/2) : x;
  }

  bool is_halving_;
  std::shared_ptr<GroupNorm> in_norm_, out_norm_;
  std::shared_ptr<Conv2d> in_conv_, out_conv_, skip_;
  std::shared_ptr<Linear> emb_linear_;
};

class EncoderAttention : public torch::nn::Module {
 public:
  EncoderAttention(ParameterInit& init, int64_t channels, int64_t head_channels)
      : head_channels_(head_channels) {
    norm_ = register_module("norm", make_norm(channels));
    qkv_ =
        register_module("qkv", std::make_shared<SequenceConv>(init, channels, 3 * channels, false));
    proj_out_ =
        register_module("proj_out", std::make_shared<SequenceConv>(init, channels, channels, true));
  }

  // Channels of qkv are (head, q | k | v, channel of the head).
  at::Tensor forward(const at::Tensor& x) const {
    const at::Tensor sequence = x.flatten(2);
    const auto qkv = qkv_->forward(norm_->forward(sequence))
                         .reshape({-1, 3 * head_channels_, sequence.size(2)})
                         .split(head_channels_, /*dim=*/1);
    const at::Tensor mixed = attention(qkv[0], qkv[1], qkv[2]).reshape(sequence.sizes());
    return x + proj_out_->forward(mixed).reshape(x.sizes());
  }

 private:
  int64_t head_channels_;
  std::shared_ptr<GroupNorm> norm_;
  std::shared_ptr<SequenceConv> qkv_, proj_out_;
};

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

  // Channels of qkv are (q | k | v, head, channel of the head), unlike those of EncoderAttention.
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

void check_sizes(const EncoderUNetConfig& config, int64_t resolution, const std::string& where) {
  const auto refuse = [&](const std::string& what, const std::string& got,
                          const std::string& expected) {
    throw UsageError({.where = where, .what = what, .got = got, .expected = expected, .hint = ""});
  };
  if (config.channel_mult.empty())
    refuse("channel_mult names no level", "[]", "one multiplier a level");
  const int64_t divisor = int64_t{1} << (config.channel_mult.size() - 1);
  if (resolution % divisor != 0)
    refuse("the resolution cannot be halved at every level",
           fmt::format("{0}x{0} with {1} levels", resolution, config.channel_mult.size()),
           fmt::format("a multiple of {}", divisor));
  for (const int64_t mult : config.channel_mult)
    if (mult * config.model_channels % config.num_head_channels != 0)
      refuse("the channels cannot be split into heads",
             fmt::format("{} channels", mult * config.model_channels),
             fmt::format("a multiple of num_head_channels = {}", config.num_head_channels));
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
                         int64_t in_channels, const std::string& where)
    : config_(config) {
  check_sizes(config, resolution, where);
  const int64_t emb_channels = 4 * config.model_channels;
  const auto time_embed = add_group(*this, "time_embed");
  time_embed0_ = time_embed->register_module(
      "0", std::make_shared<Linear>(init, config.model_channels, emb_channels, pytorch_init()));
  time_embed2_ = time_embed->register_module(
      "2", std::make_shared<Linear>(init, emb_channels, emb_channels, pytorch_init()));
  if (config.num_label_rows > 0)
    label_rows_ =
        add_group(*this, "label_emb")
            ->register_parameter("weight", init.normal({config.num_label_rows, emb_channels}));

  const auto input_blocks = add_group(*this, "input_blocks");
  int64_t channels = config.model_channels * config.channel_mult[0], num_groups = 0;
  first_ =
      add_group(*input_blocks, std::to_string(num_groups++))
          ->register_module("0", std::make_shared<Conv2d>(init, in_channels, channels,
                                                          Conv2dOptions{.init = pytorch_init()}));
  const auto add_stage = [&](int64_t out_channels, bool is_halving, bool use_attention) {
    const auto group = add_group(*input_blocks, std::to_string(num_groups++));
    Stage stage;
    stage.block = group->register_module(
        "0",
        std::make_shared<EncoderResBlock>(init, channels, out_channels, emb_channels, is_halving));
    if (use_attention)
      stage.attention = group->register_module(
          "1", std::make_shared<EncoderAttention>(init, out_channels, config.num_head_channels));
    stages_.push_back(std::move(stage));
    channels = out_channels;
  };
  for (size_t level = 0; level < config.channel_mult.size(); ++level) {
    if (level > 0) {
      add_stage(channels, /*is_halving=*/true, /*use_attention=*/false);
      resolution /= 2;
    }
    const bool use_attention =
        std::find(config.attention_resolutions.begin(), config.attention_resolutions.end(),
                  resolution) != config.attention_resolutions.end();
    for (int64_t i = 0; i < config.num_res_blocks; ++i)
      add_stage(config.model_channels * config.channel_mult[level], /*is_halving=*/false,
                use_attention);
  }

  const auto middle = add_group(*this, "middle_block");
  const auto middle_block = [&] {
    return std::make_shared<EncoderResBlock>(init, channels, channels, emb_channels,
                                             /*is_halving=*/false);
  };
  middle_.block = middle->register_module("0", middle_block());
  middle_.attention = middle->register_module(
      "1", std::make_shared<EncoderAttention>(init, channels, config.num_head_channels));
  last_ = middle->register_module("2", middle_block());
  feature_channels_ = channels;
  feature_resolution_ = resolution;

  if (config.out_channels > 0) {
    const auto out = add_group(*this, "out");
    out_norm_ = out->register_module("0", make_norm(channels));
    out_pool_ = out->register_module(
        "2", std::make_shared<AttentionPool>(init, resolution, channels, config.num_head_channels,
                                             config.out_channels));
  }
}

at::Tensor EncoderUNet::embedding(const at::Tensor& t, const at::Tensor& labels) const {
  const at::Tensor emb = positional_embedding(t * 999, config_.model_channels);
  const at::Tensor time = time_embed2_->forward(at::silu(time_embed0_->forward(emb)));
  if (!label_rows_.defined()) return time;
  return time + at::embedding(label_rows_, required_labels(labels, "encoder").argmax(1));
}

at::Tensor EncoderUNet::features(const at::Tensor& x, const at::Tensor& t,
                                 const at::Tensor& labels) const {
  const at::Tensor emb = embedding(t, labels);
  at::Tensor hidden = first_->forward(x);
  for (const Stage& stage : stages_) {
    hidden = stage.block->forward(hidden, emb);
    if (stage.attention) hidden = stage.attention->forward(hidden);
  }
  return last_->forward(middle_.attention->forward(middle_.block->forward(hidden, emb)), emb);
}

at::Tensor EncoderUNet::forward(const at::Tensor& x, const at::Tensor& t,
                                const at::Tensor& labels) const {
  EQUIPOISE_ASSERT(out_pool_ != nullptr);
  return out_pool_->forward(out_norm_->forward_silu(features(x, t, labels)));
}

}  // namespace equipoise::nets
