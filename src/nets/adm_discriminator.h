// The published discriminator: an ADM encoder extracts features, a shallow one judges them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "core/fields.h"
#include "core/libtorch.h"
#include "nets/adm_encoder.h"
#include "nets/discriminator.h"

namespace equipoise::nets {

struct AdmDiscriminatorConfig {
  EncoderUNetConfig extractor{.out_channels = 0};
  EncoderUNetConfig head{
      .channel_mult = {1}, .num_res_blocks = 2, .attention_resolutions = {8}, .out_channels = 1};
  int64_t outputs = 1;
  bool freeze_extractor = false;
  bool condition = false;

  void fields(FieldVisitor& f);
};

/// logits = head(extractor.features(z, tau), tau[, label]). Children "extractor" and "head".
///
/// Source: Kim et al. 2023 (arXiv:2211.17091), App. D. Differs: without a pretrained extractor both
/// are trained. A frozen extractor's parameters have no gradient; the gradient with respect to z
/// flows through it all the same.
class AdmDiscriminator : public DiscriminatorNetwork {
 public:
  AdmDiscriminator(const AdmDiscriminatorConfig& config, const DataShape& shape,
                   uint64_t init_seed);
  at::Tensor logits(const at::Tensor& z, const at::Tensor& tau,
                    const at::Tensor& labels = {}) override;
  EncoderUNet& extractor() { return *extractor_; }
  EncoderUNet& head() { return *head_; }

 private:
  std::shared_ptr<EncoderUNet> extractor_, head_;
};

/// Copies a pretrained ADM encoder into the extractor of `network`, from a safetensors file with the
/// published state dict's names; the encoder's own pooling head ("out.…") is left out. An empty path
/// leaves the extractor as it was drawn.
/// Throws: UsageError when the network has no extractor; DataError when names or shapes do not fit.
void load_extractor(DiscriminatorNetwork& network, const std::filesystem::path& file);

}  // namespace equipoise::nets
