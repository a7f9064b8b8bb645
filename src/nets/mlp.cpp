#include "nets/mlp.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "network MLP";
constexpr int64_t kNumFrequencies = 8;

// [c, cos(f_k c), sin(f_k c)] with f_k = 2^(k/2), k = 0 … 7: periods from 6.3 down to 0.56, of
// noise labels of order one.
at::Tensor noise_features(const at::Tensor& noise_labels) {
  const at::Tensor frequencies =
      at::pow(2.0, at::arange(kNumFrequencies, noise_labels.options()) / 2);
  const at::Tensor angles = at::outer(noise_labels, frequencies);
  return at::cat({noise_labels.unsqueeze(1), angles.cos(), angles.sin()}, 1);
}

}  // namespace

void MlpConfig::fields(FieldVisitor& f) {
  f("hidden", hidden, "", "units a layer", {1, 65536});
  f("layers", layers, "", "hidden layers", {1, 64});
  f("emb_channels", emb_channels, "", "length of the conditioning vector", {1, 4096});
  f("label_dropout", label_dropout, "", "probability of training without the class label", {0, 1});
}

Mlp::Mlp(const MlpConfig& config, const DataShape& shape, uint64_t init_seed)
    : config_(config), label_dim_(shape.label_dim) {
  check_is_vector(shape, kWhere);
  ParameterInit init(init_seed);
  const auto layer = [&](const std::string& name, int64_t in, int64_t out, bool use_bias) {
    return register_module(name, std::make_shared<Linear>(init, in, out, pytorch_init(), use_bias));
  };
  map_noise_ = layer("map_noise", 1 + 2 * kNumFrequencies, config.emb_channels, true);
  if (label_dim_ > 0) map_label_ = layer("map_label", label_dim_, config.emb_channels, false);
  for (int64_t i = 0; i < config.layers; ++i) {
    const std::string number = std::to_string(i);
    hidden_.push_back(
        layer("hidden" + number, i == 0 ? shape.channels : config.hidden, config.hidden, true));
    conditioning_.push_back(
        layer("conditioning" + number, config.emb_channels, config.hidden, false));
  }
  out_ = layer("out", config.hidden, shape.channels, true);
}

at::Tensor Mlp::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                        const Conditions& conditions) {
  at::Tensor emb = map_noise_->forward(noise_features(noise_labels));
  if (map_label_)
    emb = emb +
          map_label_->forward(prepare_labels(conditions, label_dim_, config_.label_dropout, emb));
  emb = at::silu(emb);
  at::Tensor hidden = x;
  for (size_t i = 0; i < hidden_.size(); ++i)
    hidden = at::silu(hidden_[i]->forward(hidden) + conditioning_[i]->forward(emb));
  return out_->forward(hidden);
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "MLP",
     .summary = "Fully connected network conditioned on the noise level.",
     .source = "ours",
     .use_when = "Vectors, such as the toy laws; a U-Net for images."},
    plugin_for<DenoiserNetwork, Mlp, MlpConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
