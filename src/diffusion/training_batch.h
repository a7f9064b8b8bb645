// What one training step sees, made by the loader and the noise law, consumed by objectives.
#pragma once

#include <torch/types.h>

#include "data/batch_source.h"

namespace equipoise::diffusion {

/// Which images an objective trains on. kHalfAndHalf is p_obs = 1/2 p_bias + 1/2 p_data, exactly
/// half of every mini-batch each.
using TrainingSet = data::Law;

/// A mini-batch with its noise already drawn.
struct NoisyBatch {
  at::Tensor clean;        ///< y [B,C,H,W] or [B,D] float32 in [-1, 1] (possibly augmented)
  at::Tensor sigma;        ///< [B] float32 > 0
  at::Tensor noisy;        ///< x = y + sigma n
  at::Tensor loss_weight;  ///< lambda(sigma) [B] float32
};

}  // namespace equipoise::diffusion
