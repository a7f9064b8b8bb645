#include "nets/patch_unet.h"

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

constexpr const char* kWhere = "network PatchUNet";

DataShape patch_grid(const DataShape& shape, int64_t patch_size) {
  check_is_image(shape, kWhere);
  if (shape.resolution % patch_size != 0)
    throw UsageError({.where = kWhere,
                      .what = "the patches do not tile the image",
                      .got = fmt::format("patch_size {} for {}x{}", patch_size, shape.resolution,
                                         shape.resolution),
                      .expected = "a divisor of the resolution",
                      .hint = "patch_size 2"});
  return {shape.resolution / patch_size, shape.channels * patch_size * patch_size, shape.label_dim};
}

SongUNetConfig on_patches(SongUNetConfig config, int64_t patch_size) {
  config.out_channels *= patch_size * patch_size;
  return config;
}

}  // namespace

void PatchUNetConfig::fields(FieldVisitor& f) {
  f("patch_size", patch_size, "pixels", "side of a patch", {1, 16});
  unet.fields(f);
}

PatchUNet::PatchUNet(const PatchUNetConfig& config, const DataShape& shape, uint64_t init_seed)
    : patch_size_(config.patch_size) {
  unet_ = register_module("unet",
                          std::make_shared<SongUNet>(on_patches(config.unet, patch_size_),
                                                     patch_grid(shape, patch_size_), init_seed));
}

at::Tensor PatchUNet::forward(const at::Tensor& x, const at::Tensor& noise_labels,
                              const Conditions& conditions) {
  return at::pixel_shuffle(
      unet_->forward(at::pixel_unshuffle(x, patch_size_), noise_labels, conditions), patch_size_);
}

namespace {

const bool kRegistered = NetworkRegistry::instance().add(
    {.name = "PatchUNet",
     .summary = "SongUNet on patches of pixels instead of pixels.",
     .source = "Hoogeboom et al. 2023 (arXiv:2301.11093)",
     .use_when = "Images on a processor, or larger than 64x64; SongUNet is better where its cost "
                 "is no matter."},
    plugin_for<DenoiserNetwork, PatchUNet, PatchUNetConfig>(kWhere));

}  // namespace
}  // namespace equipoise::nets
