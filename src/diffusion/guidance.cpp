#include "diffusion/guidance.h"

#include "diffusion/per_item.h"

namespace equipoise::diffusion {

at::Tensor Guidance::shift(const Visit& visit, const at::Tensor& denoised,
                           const Denoiser& denoiser) const {
  const at::Tensor weight = strength(visit);
  if (!weight.any().item<bool>()) return {};
  const at::Tensor step = direction(visit, denoised, denoiser);
  const at::Tensor factor = per_item(weight, step);
  return at::where(factor != 0, factor * step, at::zeros_like(step));
}

}  // namespace equipoise::diffusion
