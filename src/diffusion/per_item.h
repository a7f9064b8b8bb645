// One number an image, shaped so that it multiplies the image.
#pragma once

#include <vector>

#include <torch/types.h>

namespace equipoise::diffusion {

/// [B] -> [B, 1, 1, …] with as many axes as `like`, on its device and in its type.
inline at::Tensor per_item(const at::Tensor& values, const at::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = values.size(0);
  return values.to(like.options()).reshape(shape);
}

}  // namespace equipoise::diffusion
