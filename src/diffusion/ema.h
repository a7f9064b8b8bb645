// Exponential moving average of weights, measured in images so that it means the same at every
// batch size.
#pragma once

#include <cstdint>

#include "core/fields.h"

namespace equipoise::diffusion {

/// How long the average remembers.
struct EmaConfig {
  double half_life_kimg = 500;
  double ramp_ratio = 0.05;
  double start_kimg = 0;

  void fields(FieldVisitor& f) {
    f("half_life_kimg", half_life_kimg, "thousand images", "half-life of the weight average",
      {0, 1e9});
    f("ramp_ratio", ramp_ratio, "", "half-life at most this share of the images seen; 0 = no ramp",
      {0, 1e9});
    f("start_kimg", start_kimg, "thousand images",
      "until then the average is the weights themselves", {0, 1e9});
  }
};

/// beta = 0.5^(B / h), h = min(half-life, ramp_ratio n) but at least 1e-8 images; 0 up to start_kimg.
///
/// `images_seen` is n before this step's images, so that the first step copies the weights (beta =
/// 0).
/// Source: Karras et al. 2022 (arXiv:2206.00364), reference training loop.
double ema_decay(const EmaConfig& config, int64_t batch_size, int64_t images_seen);

}  // namespace equipoise::diffusion
