#include "nets/kernels/dropout.h"

#include <algorithm>

#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {
namespace {

constexpr int kBlocks = 16, kPerBlock = 8, kAtOnce = kBlocks * kPerBlock;

/// Sixteen bits for each of kAtOnce elements, from block `first` of the stream on.
EQUIPOISE_INLINE void draw(PhiloxKey key, uint64_t image, uint64_t first,
                           uint32_t (&bits)[kAtOnce]) {
  uint32_t words[4][kBlocks];
  for (int i = 0; i < kBlocks; ++i) {
    words[0][i] = static_cast<uint32_t>(first) + i;
    words[1][i] = static_cast<uint32_t>(first >> 32);
    words[2][i] = static_cast<uint32_t>(image);
    words[3][i] = static_cast<uint32_t>(image >> 32);
  }
  philox_blocks<kBlocks>(words, key);
  for (int i = 0; i < kBlocks; ++i)
    for (int w = 0; w < 4; ++w) {
      bits[kPerBlock * i + 2 * w] = words[w][i] & 0xFFFF;
      bits[kPerBlock * i + 2 * w + 1] = words[w][i] >> 16;
    }
}

EQUIPOISE_INLINE void drop(int64_t count, const uint32_t* bits, uint32_t drop_below, float kept,
                           const float* x, float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = bits[i] < drop_below ? 0.0f : x[i] * kept;
}

EQUIPOISE_SIMD void drop_image(const DropoutLaw& law, uint64_t image, int64_t size, const float* x,
                               float* y) {
  uint32_t bits[kAtOnce];
  int64_t begin = 0;
  for (; begin + kAtOnce <= size; begin += kAtOnce) {
    draw(law.key, image, begin / kPerBlock, bits);
    drop(kAtOnce, bits, law.drop_below, law.kept, x + begin, y + begin);
  }
  if (begin == size) return;
  draw(law.key, image, begin / kPerBlock, bits);
  drop(size - begin, bits, law.drop_below, law.kept, x + begin, y + begin);
}

}  // namespace

void dropout_rows(const DropoutLaw& law, const int64_t* image_numbers, int64_t num_images,
                  int64_t size, const float* x, float* y) {
  for (int64_t i = 0; i < num_images; ++i)
    drop_image(law, static_cast<uint64_t>(image_numbers[i]), size, x + i * size, y + i * size);
}

}  // namespace equipoise::nets::kernels
