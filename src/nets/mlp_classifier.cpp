// The fully connected classifier for vectors.
#include <string>
#include <vector>

#include "core/fields.h"
#include "nets/classifier.h"
#include "nets/layers.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "classifier network MLP";

struct MlpClassifierConfig {
  int64_t hidden = 64;
  int64_t layers = 2;

  void fields(FieldVisitor& f) {
    f("hidden", hidden, "", "units a layer", {1, 65536});
    f("layers", layers, "", "hidden layers", {1, 64});
  }
};

/// SiLU layers. Its features are the vectors themselves: few enough numbers to compare
/// distributions directly.
class MlpClassifier : public ClassifierNetwork {
 public:
  MlpClassifier(const MlpClassifierConfig& config, const DataShape& shape, uint64_t init_seed)
      : dimension_(shape.channels) {
    check_is_vector(shape, kWhere);
    ParameterInit init(init_seed);
    int64_t width = shape.channels;
    for (int64_t i = 0; i < config.layers; ++i) {
      hidden_.push_back(
          register_module("hidden" + std::to_string(i),
                          std::make_shared<Linear>(init, width, config.hidden, pytorch_init())));
      width = config.hidden;
    }
    out_ = register_module("out",
                           std::make_shared<Linear>(init, width, shape.label_dim, pytorch_init()));
  }

  at::Tensor features(const at::Tensor& vectors) override { return vectors; }
  at::Tensor logits_of_features(const at::Tensor& features) override {
    at::Tensor hidden = features;
    for (const auto& layer : hidden_) hidden = at::silu(layer->forward(hidden));
    return out_->forward(hidden);
  }
  int64_t feature_dim() const override { return dimension_; }

 private:
  int64_t dimension_;
  std::vector<std::shared_ptr<Linear>> hidden_;
  std::shared_ptr<Linear> out_;
};

const bool kRegistered = ClassifierRegistry::instance().add(
    {.name = "MLP",
     .summary = "Fully connected network; its features are the vectors themselves.",
     .source = "ours",
     .use_when = "Vectors, such as the toy laws; CNN for images."},
    plugin_for<ClassifierNetwork, MlpClassifier, MlpClassifierConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
