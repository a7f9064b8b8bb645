// Dropout on the calling thread: the generator eight blocks at a time, mask and product in one pass.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace equipoise::nets::kernels {

/// Which elements of an image become 0, and what the others are multiplied with. Element e of image
/// n is dropped where bits 16 (e mod 2) … of word e / 2 of the stream (key, n) are below
/// `drop_below`.
struct DropoutLaw {
  PhiloxKey key;
  uint32_t drop_below;  ///< probability times 2^16
  float kept;
};

/// y = x dropped out. x, y [num_images, size]; image i's stream is that of image_numbers[i].
void dropout_rows(const DropoutLaw& law, const int64_t* image_numbers, int64_t num_images,
                  int64_t size, const float* x, float* y);

}  // namespace equipoise::nets::kernels
