#include "diffusion/ema.h"

#include <algorithm>
#include <cmath>

namespace equipoise::diffusion {

double ema_decay(const EmaConfig& config, int64_t batch_size, int64_t images_seen) {
  if (static_cast<double>(images_seen) < config.start_kimg * 1000) return 0;
  double half_life = config.half_life_kimg * 1000;
  if (config.ramp_ratio > 0)
    half_life = std::min(half_life, config.ramp_ratio * static_cast<double>(images_seen));
  return std::pow(0.5, static_cast<double>(batch_size) / std::max(half_life, 1e-8));
}

}  // namespace equipoise::diffusion
