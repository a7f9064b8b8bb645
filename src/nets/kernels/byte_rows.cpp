#include "nets/kernels/byte_rows.h"

#include <algorithm>
#include <vector>

#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {
namespace {

// A block of images as floats and the rows they meet fit in the nearest cache together.
constexpr int kImagesAtOnce = 4;

// A plain loop, which GCC turns into the processor's conversions; its own for vectors goes byte by
// byte.
EQUIPOISE_INLINE void to_floats(const uint8_t* bytes, int64_t count, float* floats) {
  for (int64_t i = 0; i < count; ++i) floats[i] = bytes[i];
}

/// The images from `first` on as floats, zeros where there are none left.
EQUIPOISE_INLINE void load_block(const ByteProduct& size, const uint8_t* bytes, int64_t first,
                                 std::vector<float>& block) {
  const int64_t count = std::min<int64_t>(kImagesAtOnce, size.images - first) * size.columns;
  to_floats(bytes + first * size.columns, count, block.data());
  std::fill(block.begin() + count, block.end(), 0.0f);
}

EQUIPOISE_INLINE float total(float value) {
  return value;
}
EQUIPOISE_INLINE float total(Vec value) {
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += value[lane];
  return sum;
}

/// Dot products of R rows with the block's images.
template <int R>
EQUIPOISE_INLINE void dot(int64_t columns, const float* rows, const float* block,
                          float (&sums)[R][kImagesAtOnce]) {
  const auto add = [&]<class V>(V, int64_t first, int64_t last) EQUIPOISE_LAMBDA_INLINE {
    V partial[R][kImagesAtOnce] = {};
    for (int64_t c = first; c < last; c += sizeof(V) / sizeof(float))
      for (int r = 0; r < R; ++r) {
        const V value = load<V>(rows + r * columns + c);
        for (int i = 0; i < kImagesAtOnce; ++i)
          partial[r][i] += value * load<V>(block + i * columns + c);
      }
    for (int r = 0; r < R; ++r)
      for (int i = 0; i < kImagesAtOnce; ++i) sums[r][i] += total(partial[r][i]);
  };
  const int64_t whole = columns - columns % kLanes;
  add(Vec{}, 0, whole);
  add(float{}, whole, columns);
}

template <int R>
EQUIPOISE_INLINE void multiply_block(const ByteProduct& size, const float* rows, const float* block,
                                     int64_t first, float* products) {
  float sums[R][kImagesAtOnce] = {};
  dot<R>(size.columns, rows, block, sums);
  const int64_t count = std::min<int64_t>(kImagesAtOnce, size.images - first);
  for (int r = 0; r < R; ++r) std::copy_n(sums[r], count, products + r * size.images + first);
}

}  // namespace

EQUIPOISE_SIMD void multiply_bytes(const ByteProduct& size, const float* values,
                                   const uint8_t* bytes, float* products) {
  constexpr int kRowsAtOnce = 3;  // times four images: the sums fit in the registers
  std::vector<float> block(kImagesAtOnce * size.columns);
  for (int64_t first = 0; first < size.images; first += kImagesAtOnce) {
    load_block(size, bytes, first, block);
    int64_t row = 0;
    for (; row + kRowsAtOnce <= size.rows; row += kRowsAtOnce)
      multiply_block<kRowsAtOnce>(size, values + row * size.columns, block.data(), first,
                                  products + row * size.images);
    for (; row < size.rows; ++row)
      multiply_block<1>(size, values + row * size.columns, block.data(), first,
                        products + row * size.images);
  }
}

EQUIPOISE_SIMD void weighted_bytes(const ByteProduct& size, const float* weights,
                                   const uint8_t* bytes, float* sums) {
  std::vector<float> block(kImagesAtOnce * size.columns);
  std::fill_n(sums, size.rows * size.columns, 0.0f);
  for (int64_t first = 0; first < size.images; first += kImagesAtOnce) {
    load_block(size, bytes, first, block);
    const int64_t count = std::min<int64_t>(kImagesAtOnce, size.images - first);
    for (int64_t row = 0; row < size.rows; ++row) {
      float share[kImagesAtOnce] = {};
      std::copy_n(weights + row * size.images + first, count, share);
      float* sum = sums + row * size.columns;
      over_channels(size.columns, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
        V with = load<V>(sum + c);
        for (int i = 0; i < kImagesAtOnce; ++i)
          with += share[i] * load<V>(block.data() + i * size.columns + c);
        store(sum + c, with);
      });
    }
  }
}

}  // namespace equipoise::nets::kernels
