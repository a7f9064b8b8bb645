// The denoising loss that no network can get below.
#pragma once

#include <torch/types.h>

#include "diffusion/training_batch.h"

namespace equipoise::train {

/// A loss, mean over elements, with the error of the draws it was measured with.
struct Floor {
  double value = 0;
  double standard_error = 0;
};

/// The least denoising loss on a finite set of images y_1 … y_N: that of the posterior mean under
/// the law that draws them equally often,
///
///   E_{x,sigma} [ lambda(sigma) sum_d Var(y_d | x, sigma) ] / elements,   P(y_j | x, sigma) ~ exp(-|x - y_j|^2 / 2 sigma^2)
///
/// A denoiser that knows the images by heart reaches it, none goes below; what a network reaches
/// lies above. Conditional denoisers know the label too: with labels only images of the item's own
/// count.
/// Shapes: images [N,…] float32, draws of images of the same law with sigma and loss_weight; labels
///   [N] and draw_labels [B] int64, or both undefined. Computed in float64 on the CPU.
/// Throws UsageError when shapes disagree.
/// Cost: B N elements multiplications, twice.
Floor denoising_floor(const at::Tensor& images, const diffusion::NoisyBatch& draws,
                      const at::Tensor& labels = {}, const at::Tensor& draw_labels = {});

}  // namespace equipoise::train
