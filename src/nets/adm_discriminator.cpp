#include "nets/adm_discriminator.h"

#include <algorithm>

#include "core/error.h"
#include "io/safetensors.h"
#include "nets/state.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "discriminator network ADM";
// What published conditional heads have, whatever the number of classes.
constexpr int64_t kLabelRows = 1000;

}  // namespace

void AdmDiscriminatorConfig::fields(FieldVisitor& f) {
  f.group("extractor", extractor, "feature extractor, on the image");
  f.group("head", head, "judge, on the features");
  f("outputs", outputs, "count", "1 = a discriminator, more = classes told apart", {1, 1e6});
  f("freeze_extractor", freeze_extractor, "",
    "train the head alone (needs a pretrained extractor)");
  f("condition", condition, "", "the head also looks at the class label");
}

AdmDiscriminator::AdmDiscriminator(const AdmDiscriminatorConfig& config, const DataShape& shape,
                                   uint64_t init_seed) {
  check_is_image(shape, kWhere);
  if (config.condition) check_has_classes(shape, kWhere);
  EncoderUNetConfig head = config.head;
  head.num_label_rows = config.condition ? std::max(kLabelRows, shape.label_dim) : 0;
  if (head.out_channels != 1)
    throw UsageError({.where = kWhere,
                      .what = "the number of outputs is not the head's to say",
                      .got = "head.out_channels = " + std::to_string(head.out_channels),
                      .expected = "outputs",
                      .hint = ""});
  head.out_channels = config.outputs;
  ParameterInit init(init_seed);
  extractor_ = register_module(
      "extractor", std::make_shared<EncoderUNet>(init, config.extractor, shape.resolution,
                                                 shape.channels, kWhere));
  head_ = register_module(
      "head", std::make_shared<EncoderUNet>(init, head, extractor_->feature_resolution(),
                                            extractor_->feature_channels(), kWhere));
  if (config.freeze_extractor)
    for (at::Tensor& parameter : extractor_->parameters()) parameter.requires_grad_(false);
}

at::Tensor AdmDiscriminator::logits(const at::Tensor& z, const at::Tensor& tau,
                                    const at::Tensor& labels) {
  return head_->forward(extractor_->features(z, tau), tau, labels);
}

void load_extractor(DiscriminatorNetwork& network, const std::filesystem::path& file) {
  if (file.empty()) return;
  auto* adm = dynamic_cast<AdmDiscriminator*>(&network);
  if (adm == nullptr)
    throw UsageError({.where = file.string(),
                      .what = "this discriminator has no extractor to load it into",
                      .got = "",
                      .expected = "network.type = ADM",
                      .hint = ""});
  NamedTensors tensors = io::read_safetensors(file).tensors;
  std::erase_if(tensors, [](const auto& entry) { return entry.first.starts_with("out."); });
  load_state(adm->extractor(), tensors, file.string());
}

namespace {

const bool kRegistered = DiscriminatorRegistry::instance().add(
    {.name = "ADM",
     .summary = "ADM encoder as feature extractor and a shallow one on its features.",
     .source =
         "Kim et al. 2023 (arXiv:2211.17091), App. D; Dhariwal and Nichol 2021 (arXiv:2105.05233)",
     .use_when = "A pretrained extractor or an accelerator is at hand; CNN otherwise."},
    plugin_for<DiscriminatorNetwork, AdmDiscriminator, AdmDiscriminatorConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
