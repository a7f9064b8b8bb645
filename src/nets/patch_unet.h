// A SongUNet that works on patches of pixels: a quarter of the positions, several times cheaper on
// processors.
#pragma once

#include <cstdint>
#include <memory>

#include "core/libtorch.h"
#include "nets/song_unet.h"

namespace equipoise::nets {

struct PatchUNetConfig {
  int64_t patch_size = 2;
  SongUNetConfig unet;

  void fields(FieldVisitor& f);
};

/// pixel-unshuffle by p [B,C,R,R] -> [B,C p^2,R/p,R/p], SongUNet (child "unet"), pixel-shuffle
/// back.
///
/// Source: Hoogeboom et al. 2023 (arXiv:2301.11093), §3.3 ("patching"). Resolutions in its options
/// are those of the patches' grid.
class PatchUNet : public DenoiserNetwork {
 public:
  PatchUNet(const PatchUNetConfig& config, const DataShape& shape, uint64_t init_seed);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& noise_labels,
                     const Conditions& conditions) override;

 private:
  int64_t patch_size_;
  std::shared_ptr<SongUNet> unet_;
};

}  // namespace equipoise::nets
