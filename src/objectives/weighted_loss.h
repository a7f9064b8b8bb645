// What every training loss ends in.
#pragma once

#include <torch/types.h>

#include "diffusion/denoiser.h"
#include "diffusion/training_batch.h"

namespace equipoise::objectives {

/// lambda(sigma) |denoised - target|^2, element by element; all of the shape of batch.clean.
at::Tensor squared_loss(const at::Tensor& denoised, const diffusion::NoisyBatch& batch,
                        const at::Tensor& target);
/// lambda(sigma) |D(x; sigma) - target|^2, element by element.
///
/// Shapes: target as batch.clean; returns that shape, differentiable in the denoiser's parameters.
/// Cost: one denoiser call.
at::Tensor denoising_loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                          const diffusion::Conditions& conditions, const at::Tensor& target);
/// The same times a weight for each item.
///
/// Shapes: weight [B], each multiplying its own item alone.
/// Throws: NumericError when a weight or target is not finite.
at::Tensor weighted_denoising_loss(const diffusion::Denoiser& denoiser,
                                   const diffusion::NoisyBatch& batch,
                                   const diffusion::Conditions& conditions,
                                   const at::Tensor& target, const at::Tensor& weight);

}  // namespace equipoise::objectives
