#include "samplers/steps.h"

#include "core/random.h"
#include "diffusion/per_item.h"

namespace equipoise::samplers {

at::Tensor sigma_here(const at::Tensor& levels, const Walkers& walkers) {
  return levels.index_select(0, walkers.level);
}

at::Tensor sigma_next(const at::Tensor& levels, const Walkers& walkers) {
  return levels.index_select(0, walkers.level + 1);
}

diffusion::Estimate estimate(const diffusion::GuidedDenoiser& model, const Walkers& walkers,
                             const Place& place, bool is_correction) {
  return model.estimate({.x = place.x,
                         .sigma = place.sigma,
                         .level = walkers.level,
                         .seeds = walkers.seeds,
                         .conditions = walkers.conditions,
                         .is_correction = is_correction});
}

at::Tensor slope(const diffusion::GuidedDenoiser& model, const Walkers& walkers, const Place& place,
                 bool is_correction) {
  return (place.x - estimate(model, walkers, place, is_correction).guided()) /
         diffusion::per_item(place.sigma, place.x);
}

at::Tensor step_noise(const Walkers& walkers) {
  const at::Tensor num_taken = walkers.num_taken.to(at::kCPU);
  const at::Tensor noise = random_normal(walkers.seed_base, Purpose::kChurn, walkers.seeds,
                                         walkers.x.sizes().slice(1), num_taken);
  return noise.to(walkers.x.options());
}

at::Tensor ancestral_step(const Walkers& walkers, const Place& place, const at::Tensor& next,
                          const at::Tensor& denoised, double eta) {
  const at::Tensor fresh = eta * next * (1 - (next / place.sigma).square()).clamp_min(0).sqrt();
  const at::Tensor kept = (next.square() - fresh.square()).clamp_min(0).sqrt() / place.sigma;
  const at::Tensor x = denoised + diffusion::per_item(kept, place.x) * (place.x - denoised);
  return eta == 0 ? x : x + diffusion::per_item(fresh, place.x) * step_noise(walkers);
}

void arrive(Walkers& walkers, const at::Tensor& x) {
  walkers.x = x;
  walkers.level = walkers.level + 1;
  walkers.num_taken = walkers.num_taken + 1;
}

}  // namespace equipoise::samplers
