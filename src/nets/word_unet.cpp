#include "nets/word_unet.h"

#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "nets/ops.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "network WordUNet";
constexpr double kNormEps = 1e-5;
constexpr InitScheme kAttentionInit{InitLaw::kXavierUniform, 1, 0};

/// 3x3, without bias: the norm that follows would take it out.
class PlainConv : public torch::nn::Module {
 public:
  PlainConv(ParameterInit& init, int64_t in_channels, int64_t out_channels) {
    const double half_width = 1 / std::sqrt(9 * static_cast<double>(in_channels));
    weight_ =
        register_parameter("weight", init.uniform({out_channels, in_channels, 3, 3}) * half_width);
  }
  at::Tensor forward(const at::Tensor& x) const { return nets::conv2d(x, weight_, {}); }

 private:
  at::Tensor weight_;
};

/// Over the last axis.
class LayerNorm : public torch::nn::Module {
 public:
  explicit LayerNorm(int64_t size) {
    weight_ = register_parameter("weight", at::ones({size}));
    bias_ = register_parameter("bias", at::zeros({size}));
  }
  at::Tensor forward(const at::Tensor& x) const {
    return at::layer_norm(x, {x.size(-1)}, weight_, bias_, kNormEps);
  }

 private:
  at::Tensor weight_, bias_;
};

void check_sizes(const WordUNetConfig& config, const DataShape& shape) {
  check_is_image(shape, kWhere);
  if (shape.resolution % 8 == 0 && config.model_channels % config.num_heads == 0 &&
      config.model_channels % 2 == 0 && config.time_channels % 2 == 0)
    return;
  throw UsageError({.where = kWhere,
                    .what = "sizes that do not divide",
                    .got = fmt::format("{0}x{0} pixels, {1} channels, {2} heads, time_channels {3}",
                                       shape.resolution, config.model_channels, config.num_heads,
                                       config.time_channels),
                    .expected = "pixels by 8, channels by the heads and by 2, time_channels by 2",
                    .hint = ""});
}

}  // namespace

/// GN(conv3(GELU(GN(conv3(x))))), or GELU(x + that) when residual.
class WordUNet::Block : public torch::nn::Module {
 public:
  struct Shape {
    int64_t in_channels = 0;
    int64_t out_channels = 0;
    int64_t mid_channels = 0;
    bool is_residual = false;
  };
  Block(ParameterInit& init, const Shape& shape) : is_residual_(shape.is_residual) {
    conv1_ = register_module(
        "conv1", std::make_shared<PlainConv>(init, shape.in_channels, shape.mid_channels));
    norm1_ = register_module("norm1", std::make_shared<GroupNorm>(shape.mid_channels, kNormEps, 1));
    conv2_ = register_module(
        "conv2", std::make_shared<PlainConv>(init, shape.mid_channels, shape.out_channels));
    norm2_ = register_module("norm2", std::make_shared<GroupNorm>(shape.out_channels, kNormEps, 1));
  }
  at::Tensor forward(const at::Tensor& x) const {
    const at::Tensor hidden = at::gelu(norm1_->forward(conv1_->forward(x)));
    const at::Tensor result = norm2_->forward(conv2_->forward(hidden));
    return is_residual_ ? at::gelu(x + result) : result;
  }

 private:
  bool is_residual_;
  std::shared_ptr<PlainConv> conv1_, conv2_;
  std::shared_ptr<GroupNorm> norm1_, norm2_;
};

/// A residual block, a block, and the embedding added to every pixel.
class WordUNet::Stage : public torch::nn::Module {
 public:
  Stage(ParameterInit& init, const Block::Shape& shape, int64_t emb_channels) {
    const int64_t in = shape.in_channels;
    residual_ =
        register_module("residual", std::make_shared<Block>(init, Block::Shape{in, in, in, true}));
    block_ = register_module("block", std::make_shared<Block>(init, shape));
    emb_ = register_module(
        "emb", std::make_shared<Linear>(init, emb_channels, shape.out_channels, pytorch_init()));
  }
  at::Tensor down(const at::Tensor& x, const at::Tensor& emb) const {
    return with(at::max_pool2d(x, {2, 2}), emb);
  }
  at::Tensor up(const at::Tensor& x, const at::Tensor& skip, const at::Tensor& emb) const {
    const at::Tensor larger =
        at::upsample_bilinear2d(x, skip.sizes().slice(2), /*align_corners=*/true);
    return with(at::cat({skip, larger}, 1), emb);
  }

 private:
  at::Tensor with(const at::Tensor& x, const at::Tensor& emb) const {
    const at::Tensor added = emb_->forward(at::silu(emb));
    return block_->forward(residual_->forward(x)) + added.unsqueeze(2).unsqueeze(3);
  }

  std::shared_ptr<Block> residual_, block_;
  std::shared_ptr<Linear> emb_;
};

/// Over all positions: x += MHA(LN(x)), then x += Linear(GELU(Linear(LN(x)))).
class WordUNet::Attention : public torch::nn::Module {
 public:
  Attention(ParameterInit& init, int64_t channels, int64_t num_heads) : num_heads_(num_heads) {
    const auto linear = [&](const char* name, int64_t out, const InitScheme& scheme) {
      return register_module(name, std::make_shared<Linear>(init, channels, out, scheme));
    };
    norm_ = register_module("norm", std::make_shared<LayerNorm>(channels));
    qkv_ = linear("qkv", 3 * channels, kAttentionInit);
    proj_ = linear("proj", channels, kAttentionInit);
    mlp_norm_ = register_module("mlp_norm", std::make_shared<LayerNorm>(channels));
    mlp1_ = linear("mlp1", channels, pytorch_init());
    mlp2_ = linear("mlp2", channels, pytorch_init());
  }
  at::Tensor forward(const at::Tensor& x) const {
    const int64_t batch = x.size(0), channels = x.size(1);
    at::Tensor tokens = x.flatten(2).transpose(1, 2);  // [B,T,C]
    const at::Tensor qkv = qkv_->forward(norm_->forward(tokens))
                               .reshape({batch, -1, 3, num_heads_, channels / num_heads_})
                               .permute({2, 0, 3, 4, 1})
                               .flatten(1, 2)
                               .contiguous();  // [3,B·heads,C/heads,T]
    const at::Tensor heard =
        attention(qkv[0], qkv[1], qkv[2]).reshape({batch, channels, -1}).transpose(1, 2);
    tokens = tokens + proj_->forward(heard.contiguous());
    tokens = tokens + mlp2_->forward(at::gelu(mlp1_->forward(mlp_norm_->forward(tokens))));
    return tokens.transpose(1, 2).reshape(x.sizes());
  }

 private:
  int64_t num_heads_;
  std::shared_ptr<LayerNorm> norm_, mlp_norm_;
  std::shared_ptr<Linear> qkv_, proj_, mlp1_, mlp2_;
};

void WordUNetConfig::fields(FieldVisitor& f) {
  f("model_channels", model_channels, "", "channels of the finest level", {4, 4096});
  f("time_channels", time_channels, "", "length of the time's part of the embedding", {2, 4096});
  f("num_heads", num_heads, "", "attention heads", {1, 4096});
  f("attention_at_finest", attention_at_finest, "",
    "self-attention over all pixels too, where memory is spent");
  f("label_gain", label_gain, "", "factor on the condition's part of the embedding", {0, 1e6});
  f("label_dropout", label_dropout, "", "probability of training without the condition", {0, 1});
}

at::Tensor word_embedding(const at::Tensor& t, int64_t num_channels, const at::Tensor& labels,
                          double gain) {
  const at::Tensor waves = positional_embedding(t, num_channels);  // cosines first
  return at::cat(
      {waves.slice(1, num_channels / 2), waves.slice(1, 0, num_channels / 2), labels * gain}, 1);
}

WordUNet::WordUNet(const WordUNetConfig& config, const DataShape& shape, uint64_t init_seed)
    : config_(config), label_dim_(shape.label_dim) {
  check_sizes(config, shape);
  ParameterInit init(init_seed);
  const int64_t c = config.model_channels, emb = config.time_channels + label_dim_;
  const auto block = [&](const std::string& name, int64_t in, int64_t out) {
    return register_module(name, std::make_shared<Block>(init, Block::Shape{in, out, out}));
  };
  const auto stage = [&](const std::string& name, int64_t in, int64_t out, int64_t mid) {
    return register_module(name, std::make_shared<Stage>(init, Block::Shape{in, out, mid}, emb));
  };
  const auto attention = [&](const std::string& name, int64_t channels) {
    return register_module(name, std::make_shared<Attention>(init, channels, config.num_heads));
  };
  in_ = block("in", shape.channels, c);
  const int64_t widths[4] = {c, 2 * c, 4 * c, 4 * c};
  for (size_t i = 0; i < 3; ++i) {
    const std::string number = std::to_string(i + 1);
    down_[i] = stage("down" + number, widths[i], widths[i + 1], widths[i + 1]);
    down_attention_[i] = attention("down_attention" + number, widths[i + 1]);
  }
  bottom_[0] = block("bottom1", 4 * c, 8 * c);
  bottom_[1] = block("bottom2", 8 * c, 8 * c);
  bottom_[2] = block("bottom3", 8 * c, 4 * c);
  const int64_t up_widths[3] = {2 * c, c, c};
  int64_t channels = 4 * c;
  for (size_t i = 0; i < 3; ++i) {
    const std::string number = std::to_string(i + 1);
    const int64_t joined = channels + widths[2 - i];
    up_[i] = stage("up" + number, joined, up_widths[i], joined / 2);
    channels = up_widths[i];
    if (i < 2 || config.attention_at_finest)
      up_attention_[i] = attention("up_attention" + number, channels);
  }
  out_ = register_module(
      "out", std::make_shared<Conv2d>(init, c, shape.channels,
                                      Conv2dOptions{.kernel = 1, .init = pytorch_init()}));
}

at::Tensor WordUNet::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                             const Conditions& conditions) {
  const at::Tensor labels =
      prepare_labels(conditions, label_dim_, config_.label_dropout, noise_labels);
  const at::Tensor emb =
      word_embedding(noise_labels, config_.time_channels, labels, config_.label_gain);
  std::vector<at::Tensor> skips{in_->forward(x)};
  for (size_t i = 0; i < 3; ++i)
    skips.push_back(down_attention_[i]->forward(down_[i]->down(skips.back(), emb)));
  at::Tensor hidden = skips.back();
  for (const auto& block : bottom_) hidden = block->forward(hidden);
  for (size_t i = 0; i < 3; ++i) {
    hidden = up_[i]->up(hidden, skips[2 - i], emb);
    if (up_attention_[i]) hidden = up_attention_[i]->forward(hidden);
  }
  return out_->forward(hidden);
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "WordUNet",
     .summary = "The small U-Net of a published audit, told of a word by one vector a stage.",
     .source = "released code of Kuchlous, Li and Wang 2024, \"Bias Begets Bias\"",
     .use_when = "To repeat that audit, with preconditioning ddpm_linear_1000; prefer PatchUNet or "
                 "SongUNet, which can be told of words as well."},
    plugin_for<DenoiserNetwork, WordUNet, WordUNetConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
