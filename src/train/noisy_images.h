// Noised images at levels a denoiser knows.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "diffusion/denoiser.h"
#include "diffusion/noise_law.h"

namespace equipoise::train {

/// diffusion::make_noisy, with sigma moved to the nearest level of a discrete-time denoiser: the noise
/// is scaled along, and the loss weight is that of the new level.
diffusion::NoisyBatch noisy_for(const diffusion::Denoiser& denoiser, const at::Tensor& clean,
                                const at::Tensor& image_numbers, uint64_t seed,
                                const diffusion::NoiseLaw& law, double sigma_data);

}  // namespace equipoise::train
