#include "train/noisy_images.h"

#include "diffusion/per_item.h"

namespace equipoise::train {

diffusion::NoisyBatch noisy_for(const diffusion::Denoiser& denoiser, const at::Tensor& clean,
                                const at::Tensor& image_numbers, uint64_t seed,
                                const diffusion::NoiseLaw& law, double sigma_data) {
  diffusion::NoisyBatch batch = diffusion::make_noisy(clean, image_numbers, seed, law, sigma_data);
  const at::Tensor level = denoiser.round_sigma(batch.sigma);
  if (level.is_same(batch.sigma)) return batch;
  const at::Tensor rounded = level.to(batch.sigma.options());
  batch.noisy = clean + diffusion::per_item(rounded / batch.sigma, clean) * (batch.noisy - clean);
  batch.sigma = rounded;
  batch.loss_weight = law.loss_weight(rounded, sigma_data);
  return batch;
}

}  // namespace equipoise::train
