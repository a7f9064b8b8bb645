// Image batches of any accepted kind as what published networks were trained on: RGB, 0 to 255.
#pragma once

#include <string>

#include <torch/types.h>

namespace equipoise::nets {

/// Throws UsageError naming `name` unless images are [N,1 or 3,H,W], uint8 or float32, N > 0.
void check_is_image_batch(const at::Tensor& images, const std::string& name);

/// Images [N,1 or 3,H,W], uint8 in 0..255 or float32 in [-1,1], as float32 [N,3,H,W] in 0..255; grey
/// is repeated. Nothing is clipped. Differentiable with respect to float images.
/// Throws as check_is_image_batch.
at::Tensor rgb_pixels(const at::Tensor& images, const std::string& name);

}  // namespace equipoise::nets
