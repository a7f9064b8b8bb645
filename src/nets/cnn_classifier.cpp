// The small convolutional classifier.
#include <vector>

#include <fmt/format.h>

#include "core/error.h"
#include "core/fields.h"
#include "nets/classifier.h"
#include "nets/layers.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "classifier network CNN";

struct CnnClassifierConfig {
  std::vector<int64_t> channels = {32, 64, 128};

  void fields(FieldVisitor& f) {
    f("channels", channels, "", "channels of each stage; every stage but the last halves the image",
      {4, 4096});
  }
};

/// Stages of convolution, group norm and SiLU with 2x2 means between them; features are the last
/// stage's means.
class CnnClassifier : public ClassifierNetwork {
 public:
  CnnClassifier(const CnnClassifierConfig& config, const DataShape& shape, uint64_t init_seed)
      : num_features_(config.channels.empty() ? 0 : config.channels.back()) {
    check_is_image(shape, kWhere);
    if (config.channels.empty() || shape.resolution >> (config.channels.size() - 1) == 0)
      throw UsageError(
          {.where = kWhere,
           .what = "the image cannot be halved between all stages",
           .got = fmt::format("{0}x{0} with {1} stages", shape.resolution, config.channels.size()),
           .expected = "at least one stage and one pixel in the last",
           .hint = ""});
    ParameterInit init(init_seed);
    int64_t channels = shape.channels;
    for (size_t i = 0; i < config.channels.size(); ++i) {
      const std::string number = std::to_string(i);
      convs_.push_back(register_module(
          "conv" + number,
          std::make_shared<Conv2d>(init, channels, config.channels[i], Conv2dOptions{})));
      norms_.push_back(
          register_module("norm" + number, std::make_shared<GroupNorm>(config.channels[i], 1e-5)));
      channels = config.channels[i];
    }
    out_ = register_module(
        "out", std::make_shared<Linear>(init, num_features_, shape.label_dim, pytorch_init()));
  }

  at::Tensor features(const at::Tensor& images) override {
    at::Tensor hidden = images;
    for (size_t i = 0; i < convs_.size(); ++i) {
      if (i > 0) hidden = at::avg_pool2d(hidden, /*kernel_size=*/2);
      hidden = norms_[i]->forward_silu(convs_[i]->forward(hidden));
    }
    return hidden.mean({2, 3});
  }
  at::Tensor logits_of_features(const at::Tensor& features) override {
    return out_->forward(features);
  }
  int64_t feature_dim() const override { return num_features_; }

 private:
  int64_t num_features_;
  std::vector<std::shared_ptr<Conv2d>> convs_;
  std::vector<std::shared_ptr<GroupNorm>> norms_;
  std::shared_ptr<Linear> out_;
};

const bool kRegistered = ClassifierRegistry::instance().add(
    {.name = "CNN",
     .summary = "A convolution, group norm and SiLU a stage, 2x2 means between, then the mean over "
                "positions.",
     .source = "ours",
     .use_when = "Groups of 28x28 to 64x64 images told apart by shape or colour."},
    plugin_for<ClassifierNetwork, CnnClassifier, CnnClassifierConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
