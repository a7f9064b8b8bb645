// The fully connected discriminator for vectors.
#include <numbers>

#include "core/fields.h"
#include "nets/discriminator.h"
#include "nets/layers.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "discriminator network MLP";
constexpr int64_t kNumFrequencies = 4;

struct MlpDiscriminatorConfig {
  int64_t hidden = 128;
  int64_t layers = 3;
  int64_t outputs = 1;
  bool condition = false;

  void fields(FieldVisitor& f) {
    f("hidden", hidden, "", "units a layer", {1, 65536});
    f("layers", layers, "", "hidden layers", {1, 64});
    f("outputs", outputs, "count", "1 = a discriminator, more = classes told apart", {1, 1e6});
    f("condition", condition, "", "also look at the class label");
  }
};

// [cos(f_k t), sin(f_k t)] with f_k = pi/2 · 2^k, k = 0 … 3: the first is monotone over [0, 1].
at::Tensor time_features(const at::Tensor& tau) {
  const at::Tensor powers = at::pow(2.0, at::arange(kNumFrequencies, tau.options()));
  const at::Tensor angles = at::outer(tau, powers * (std::numbers::pi / 2));
  return at::cat({angles.cos(), angles.sin()}, 1);
}

/// SiLU layers on (z, sines and cosines of tau[, label]).
class MlpDiscriminator : public DiscriminatorNetwork {
 public:
  MlpDiscriminator(const MlpDiscriminatorConfig& config, const DataShape& shape, uint64_t init_seed)
      : use_labels_(config.condition) {
    check_is_vector(shape, kWhere);
    if (use_labels_) check_has_classes(shape, kWhere);
    ParameterInit init(init_seed);
    int64_t width = shape.channels + 2 * kNumFrequencies + (use_labels_ ? shape.label_dim : 0);
    for (int64_t i = 0; i < config.layers; ++i) {
      hidden_.push_back(
          register_module("hidden" + std::to_string(i),
                          std::make_shared<Linear>(init, width, config.hidden, pytorch_init())));
      width = config.hidden;
    }
    out_ = register_module("out",
                           std::make_shared<Linear>(init, width, config.outputs, pytorch_init()));
  }

  at::Tensor logits(const at::Tensor& z, const at::Tensor& tau, const at::Tensor& labels) override {
    std::vector<at::Tensor> inputs{z, time_features(tau)};
    if (use_labels_) inputs.push_back(required_labels(labels, kWhere));
    at::Tensor hidden = at::cat(inputs, 1);
    for (const auto& layer : hidden_) hidden = at::silu(layer->forward(hidden));
    return out_->forward(hidden);
  }

 private:
  bool use_labels_;
  std::vector<std::shared_ptr<Linear>> hidden_;
  std::shared_ptr<Linear> out_;
};

const bool kRegistered = DiscriminatorRegistry::instance().add(
    {.name = "MLP",
     .summary = "Fully connected network on the vector and sines of the time.",
     .source = "ours",
     .use_when = "Vectors, such as the toy laws; CNN for images."},
    plugin_for<DiscriminatorNetwork, MlpDiscriminator, MlpDiscriminatorConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
