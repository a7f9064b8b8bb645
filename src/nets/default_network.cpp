#include "nets/default_network.h"

namespace equipoise::nets {

NetworkConfig default_denoiser_network(const DataShape& shape) {
  if (shape.resolution == 0) return {{"type", "MLP"}};
  int64_t patch_size = shape.resolution <= 16 ? 1 : shape.resolution <= 32 ? 2 : 4;
  while (shape.resolution % patch_size != 0) patch_size /= 2;
  const int64_t grid = shape.resolution / patch_size;
  const bool can_halve = grid % 2 == 0;
  const std::vector<int64_t> levels(can_halve ? 2 : 1, 1);
  return {{"type", "PatchUNet"},  {"patch_size", patch_size},
          {"model_channels", 64}, {"channel_mult", levels},
          {"num_blocks", 1},      {"attn_resolutions", {can_halve ? grid / 2 : grid}},
          {"dropout", 0}};
}

}  // namespace equipoise::nets
