// Eight or sixteen floats at a time, for the loops over channels. Functions marked EQUIPOISE_SIMD are compiled
// for several instruction sets and the best one the processor has is picked when the program
// starts; what they inline follows them.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define EQUIPOISE_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define EQUIPOISE_SIMD
#endif
#define EQUIPOISE_INLINE inline __attribute__((always_inline))
#define EQUIPOISE_LAMBDA_INLINE __attribute__((always_inline))

#ifdef __GNUC__
#pragma GCC diagnostic ignored \
    "-Wpsabi"  // vectors never cross a call: everything that takes one is inlined
#endif

namespace equipoise::nets::kernels {

inline constexpr int64_t kLanes = 8;
using Vec = float __attribute__((vector_size(32)));
using IntVec = int32_t __attribute__((vector_size(32)));
/// Two of them side by side, one register where there are registers that long. For short loops; long
/// ones, as Winograd's transforms, run out of registers.
inline constexpr int64_t kWideLanes = 16;
using WideVec = float __attribute__((vector_size(64)));
using IntWideVec = int32_t __attribute__((vector_size(64)));
template <class V>
struct Lanes;
template <>
struct Lanes<float> {
  using Int = int32_t;
};
template <>
struct Lanes<Vec> {
  using Int = IntVec;
};
template <>
struct Lanes<WideVec> {
  using Int = IntWideVec;
};

/// Unaligned load and store of one lane (V = float) or kLanes of them (V = Vec).
template <class V>
EQUIPOISE_INLINE V load(const float* from) {
  V value;
  std::memcpy(&value, from, sizeof(V));
  return value;
}
template <class V>
EQUIPOISE_INLINE void store(float* to, V value) {
  std::memcpy(to, &value, sizeof(V));
}

/// The same for numbers that lie `Stride` apart.
template <class V, int Stride>
EQUIPOISE_INLINE V load_every(const float* from) {
  if constexpr (sizeof(V) == sizeof(float)) {
    return *from;
  } else {
    return V{from[0],          from[Stride],     from[2 * Stride], from[3 * Stride],
             from[4 * Stride], from[5 * Stride], from[6 * Stride], from[7 * Stride]};
  }
}
template <int Stride, class V>
EQUIPOISE_INLINE void store_every(float* to, V value) {
  if constexpr (sizeof(V) == sizeof(float)) {
    *to = value;
  } else {
    for (int lane = 0; lane < kLanes; ++lane) to[lane * Stride] = value[lane];
  }
}

/// body(V{}, c) for c = 0, 8, 16, … with V = Vec, then for what is left over with V = float.
template <class Body>
EQUIPOISE_INLINE void over_channels(int64_t channels, Body body) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(Vec{}, c);
  for (; c < channels; ++c) body(float{}, c);
}

/// The same with V = WideVec first.
template <class Body>
EQUIPOISE_INLINE void over_wide_channels(int64_t channels, Body body) {
  int64_t c = 0;
  for (; c + kWideLanes <= channels; c += kWideLanes) body(WideVec{}, c);
  for (; c + kLanes <= channels; c += kLanes) body(Vec{}, c);
  for (; c < channels; ++c) body(float{}, c);
}

/// body(V{}, c, first, last) for groups of channels and blocks of pixels first … last - 1, few enough
/// that a block stays in the nearest cache while one group after another runs over it: sums over
/// pixels then wait in registers.
template <class Body>
EQUIPOISE_INLINE void over_pixel_blocks(int64_t pixels, int64_t channels, Body body) {
  constexpr int64_t kBlock = 32;
  for (int64_t first = 0; first < pixels; first += kBlock) {
    const int64_t last = first + kBlock < pixels ? first + kBlock : pixels;
    over_wide_channels(channels, [&]<class V>(V, int64_t c)
                                     EQUIPOISE_LAMBDA_INLINE { body(V{}, c, first, last); });
  }
}

/// All of value(V{}, 0), value(V{}, 16), … joined, lanes last; joining `start` changes nothing.
template <class Value, class Join>
EQUIPOISE_INLINE float reduced(int64_t count, float start, Value value, Join join) {
  WideVec partial = WideVec{} + start;
  int64_t i = 0;
  for (; i + kWideLanes <= count; i += kWideLanes) partial = join(partial, value(WideVec{}, i));
  float all = partial[0];
  for (int lane = 1; lane < kWideLanes; ++lane) all = join(all, partial[lane]);
  for (; i < count; ++i) all = join(all, value(float{}, i));
  return all;
}

/// e^x within 2e-7 relative for |x| <= 87, held at the ends beyond. x = n ln 2 + r, e^r by a
/// polynomial of degree 6.
template <class V>
EQUIPOISE_INLINE V exponential(V x) {
  using Int = typename Lanes<V>::Int;
  constexpr float kLimit = 87.0f;
  constexpr float kRounding = 0x1.8p23f;  // added, it leaves the nearest integer in the low bits
  x = x < -kLimit ? V{} - kLimit : x;
  x = x > kLimit ? V{} + kLimit : x;
  const V shifted = x * 1.44269504f + kRounding;
  const V n = shifted - kRounding;
  const V r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  V p = r * 1.3888889e-3f + 8.3333333e-3f;
  p = p * r + 4.1666668e-2f;
  p = p * r + 1.6666667e-1f;
  p = p * r + 0.5f;
  p = p * (r * r) + r + 1.0f;
  const Int exponent = (std::bit_cast<Int>(shifted) + (127 - std::bit_cast<int32_t>(kRounding)))
                       << 23;
  return p * std::bit_cast<V>(exponent);
}

template <class V>
EQUIPOISE_INLINE V sigmoid(V x) {
  return 1.0f / (1.0f + exponential<V>(-x));
}

}  // namespace equipoise::nets::kernels
