#include "nets/default_network.h"

namespace equipoise::nets {

NetworkConfig default_denoiser_network(const DataShape& shape) {
  if (shape.resolution == 0) return {{"type", "MLP"}};
  int64_t patch_size = shape.resolution <= 8 ? 1 : shape.resolution <= 32 ? 2 : 4;
  while (shape.resolution % patch_size != 0) patch_size /= 2;
  const int64_t grid = shape.resolution / patch_size;
  const bool can_halve = grid % 2 == 0, is_large = shape.resolution > 32;
  std::vector<int64_t> levels{1};
  if (can_halve) levels.push_back(is_large ? 1 : 2);
  return {{"type", "PatchUNet"},
          {"patch_size", patch_size},
          {"model_channels", is_large ? 64 : 32},
          {"channel_mult", levels},
          {"num_blocks", 1},
          {"attn_resolutions", {can_halve ? grid / 2 : grid}},
          {"dropout", 0}};
}

}  // namespace equipoise::nets
