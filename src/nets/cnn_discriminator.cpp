// The small convolutional discriminator: a few residual stages, each half the size of the one
// before.
#include <vector>

#include "core/error.h"
#include "core/fields.h"
#include "nets/discriminator.h"
#include "nets/layers.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "discriminator network CNN";
constexpr double kEps = 1e-5;

struct CnnDiscriminatorConfig {
  std::vector<int64_t> channels = {32, 64, 128};
  int64_t blocks = 1;
  int64_t emb_channels = 128;
  int64_t outputs = 1;
  bool condition = false;

  void fields(FieldVisitor& f) {
    f("channels", channels, "", "channels of each stage; every stage halves the image", {4, 4096});
    f("blocks", blocks, "", "residual blocks a stage", {1, 16});
    f("emb_channels", emb_channels, "", "length of the conditioning vector", {2, 4096});
    f("outputs", outputs, "count", "1 = a discriminator, more = classes told apart", {1, 1e6});
    f("condition", condition, "", "also look at the class label");
  }
};

/// y = skip(x) + conv1(SiLU(GN(conv0(SiLU(GN(x)))) (1 + scale) + shift))), scale and shift from the
/// embedding; with `is_halving`, both paths work on 2x2 means, so that nothing is computed at the
/// larger size.
class TimedBlock : public torch::nn::Module {
 public:
  TimedBlock(ParameterInit& init, int64_t in_channels, int64_t out_channels, int64_t emb_channels,
             bool is_halving)
      : is_halving_(is_halving) {
    const InitScheme zero{InitLaw::kKaimingUniform, 0};
    norm0_ = register_module("norm0", std::make_shared<GroupNorm>(in_channels, kEps));
    conv0_ =
        register_module("conv0", std::make_shared<Conv2d>(init, in_channels, out_channels,
                                                          Conv2dOptions{.init = pytorch_init()}));
    affine_ = register_module(
        "affine", std::make_shared<Linear>(init, emb_channels, 2 * out_channels, pytorch_init()));
    norm1_ = register_module("norm1", std::make_shared<GroupNorm>(out_channels, kEps));
    conv1_ = register_module("conv1", std::make_shared<Conv2d>(init, out_channels, out_channels,
                                                               Conv2dOptions{.init = zero}));
    if (in_channels != out_channels)
      skip_ = register_module(
          "skip", std::make_shared<Conv2d>(init, in_channels, out_channels,
                                           Conv2dOptions{.kernel = 1, .init = pytorch_init()}));
  }

  at::Tensor forward(const at::Tensor& x, const at::Tensor& emb) const {
    const auto scale_and_shift = affine_->forward(emb).chunk(2, /*dim=*/1);
    at::Tensor hidden = conv0_->forward(halved(norm0_->forward_silu(x)));
    hidden = conv1_->forward(
        norm1_->forward_silu(hidden, {.scale = scale_and_shift[0], .shift = scale_and_shift[1]}));
    const at::Tensor shortcut = halved(x);
    return scaled_sum(skip_ ? skip_->forward(shortcut) : shortcut, hidden, 1);
  }

 private:
  // Odd sides keep their last row and column: 7 -> 4.
  at::Tensor halved(const at::Tensor& x) const {
    if (!is_halving_) return x;
    return at::avg_pool2d(x, /*kernel_size=*/2, /*stride=*/2, /*padding=*/0, /*ceil_mode=*/true,
                          /*count_include_pad=*/false);
  }

  bool is_halving_;
  std::shared_ptr<GroupNorm> norm0_, norm1_;
  std::shared_ptr<Conv2d> conv0_, conv1_, skip_;
  std::shared_ptr<Linear> affine_;
};

class CnnDiscriminator : public DiscriminatorNetwork {
 public:
  CnnDiscriminator(const CnnDiscriminatorConfig& config, const DataShape& shape, uint64_t init_seed)
      : emb_channels_(config.emb_channels) {
    check_is_image(shape, kWhere);
    if (config.condition) check_has_classes(shape, kWhere);
    ParameterInit init(init_seed);
    map_time0_ = register_module(
        "map_time0",
        std::make_shared<Linear>(init, emb_channels_ / 2 * 2, emb_channels_, pytorch_init()));
    map_time1_ = register_module(
        "map_time1", std::make_shared<Linear>(init, emb_channels_, emb_channels_, pytorch_init()));
    if (config.condition)
      map_label_ = register_module(
          "map_label",
          std::make_shared<Linear>(init, shape.label_dim, emb_channels_, pytorch_init(), false));
    if (config.channels.empty())
      throw UsageError({.where = kWhere,
                        .what = "channels names no stage",
                        .got = "[]",
                        .expected = "one number a stage",
                        .hint = "[32, 64, 128]"});
    int64_t channels = config.channels[0];
    first_ =
        register_module("first", std::make_shared<Conv2d>(init, shape.channels, channels,
                                                          Conv2dOptions{.init = pytorch_init()}));
    for (size_t stage = 0; stage < config.channels.size(); ++stage) {
      for (int64_t i = 0; i < config.blocks; ++i) {
        const std::string name = "stage" + std::to_string(stage) + "_block" + std::to_string(i);
        blocks_.push_back(register_module(
            name, std::make_shared<TimedBlock>(init, channels, config.channels[stage],
                                               emb_channels_, i == 0)));
        channels = config.channels[stage];
      }
    }
    norm_ = register_module("norm", std::make_shared<GroupNorm>(channels, kEps));
    out_ = register_module(
        "out", std::make_shared<Linear>(init, channels, config.outputs, pytorch_init()));
  }

  at::Tensor logits(const at::Tensor& z, const at::Tensor& tau, const at::Tensor& labels) override {
    at::Tensor emb = positional_embedding(tau * 999, emb_channels_ / 2 * 2);
    emb = map_time1_->forward(at::silu(map_time0_->forward(emb)));
    if (map_label_) emb = emb + map_label_->forward(required_labels(labels, kWhere));
    emb = at::silu(emb);
    at::Tensor hidden = first_->forward(z);
    for (const auto& block : blocks_) hidden = block->forward(hidden, emb);
    return out_->forward(norm_->forward_silu(hidden).mean({2, 3}));
  }

 private:
  int64_t emb_channels_;
  std::shared_ptr<Linear> map_time0_, map_time1_, map_label_, out_;
  std::shared_ptr<Conv2d> first_;
  std::vector<std::shared_ptr<TimedBlock>> blocks_;
  std::shared_ptr<GroupNorm> norm_;
};

const bool kRegistered = DiscriminatorRegistry::instance().add(
    {.name = "CNN",
     .summary = "Small residual network whose group norms are scaled and shifted by the time.",
     .source = "ours",
     .use_when =
         "Images of 16x16 to 64x64 without a pretrained extractor; ADM when one is at hand."},
    plugin_for<DiscriminatorNetwork, CnnDiscriminator, CnnDiscriminatorConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
