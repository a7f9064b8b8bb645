#include "nets/extractors/pixels.h"

#include <ATen/ATen.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::nets {

void check_is_image_batch(const at::Tensor& images, const std::string& name) {
  const bool is_batch = images.defined() && images.dim() == 4 && images.numel() > 0 &&
                        (images.size(1) == 1 || images.size(1) == 3);
  if (is_batch && (images.scalar_type() == at::kByte || images.scalar_type() == at::kFloat)) return;
  throw UsageError({.where = name,
                    .what = "not a batch of grey or RGB images",
                    .got = describe(images),
                    .expected = "[N, 1 or 3, H, W], Byte in 0..255 or Float in [-1, 1]"});
}

at::Tensor rgb_pixels(const at::Tensor& images, const std::string& name) {
  check_is_image_batch(images, name);
  const bool is_bytes = images.scalar_type() == at::kByte;
  const at::Tensor pixels = is_bytes ? images.to(at::kFloat) : (images + 1) * 127.5;
  return images.size(1) == 3 ? pixels : pixels.expand({-1, 3, -1, -1});
}

}  // namespace equipoise::nets
