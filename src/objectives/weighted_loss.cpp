#include "objectives/weighted_loss.h"

#include "core/check.h"
#include "diffusion/per_item.h"

namespace equipoise::objectives {

at::Tensor squared_loss(const at::Tensor& denoised, const diffusion::NoisyBatch& batch,
                        const at::Tensor& target) {
  return diffusion::per_item(batch.loss_weight, denoised) * (denoised - target).square();
}

at::Tensor denoising_loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                          const diffusion::Conditions& conditions, const at::Tensor& target) {
  return squared_loss(denoiser.denoise(batch.noisy, batch.sigma, conditions), batch, target);
}

at::Tensor weighted_denoising_loss(const diffusion::Denoiser& denoiser,
                                   const diffusion::NoisyBatch& batch,
                                   const diffusion::Conditions& conditions,
                                   const at::Tensor& target, const at::Tensor& weight) {
  check_shape(weight, {batch.clean.size(0)}, "sample weights");
  check_finite(weight, "sample weights");
  check_finite(target, "corrected target");
  const at::Tensor loss = denoising_loss(denoiser, batch, conditions, target);
  return diffusion::per_item(weight, loss) * loss;
}

}  // namespace equipoise::objectives
