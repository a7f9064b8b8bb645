#include "diffusion/ema.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"

namespace equipoise::diffusion {

double ema_decay(const EmaConfig& config, int64_t batch_size, int64_t images_seen) {
  if (static_cast<double>(images_seen) < config.start_kimg * 1000) return 0;
  double half_life = config.half_life_kimg * 1000;
  if (config.ramp_ratio > 0)
    half_life = std::min(half_life, config.ramp_ratio * static_cast<double>(images_seen));
  return std::pow(0.5, static_cast<double>(batch_size) / std::max(half_life, 1e-8));
}

void update_ema(std::vector<at::Tensor>& average, const std::vector<at::Tensor>& current,
                double decay) {
  EQUIPOISE_ASSERT(average.size() == current.size());
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < average.size(); ++i) average[i].lerp_(current[i], 1 - decay);
}

}  // namespace equipoise::diffusion
