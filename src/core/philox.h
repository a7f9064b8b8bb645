// Philox4x32-10 (Salmon et al., SC'11), the generator behind core/random.h: for the processor, for
// several blocks at a time, and for CUDA.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define EQUIPOISE_EVERYWHERE __host__ __device__ __forceinline__
#else
// Inlined, so that loops compiled for another instruction set take it along.
#define EQUIPOISE_EVERYWHERE inline __attribute__((always_inline))
#endif

namespace equipoise {

/// Key of a stream's blocks.
struct PhiloxKey {
  uint32_t low, high;
};

/// `Lanes` blocks side by side: word w of block i is words[w][i]. Counters in, random words out.
template <int Lanes>
EQUIPOISE_EVERYWHERE void philox_blocks(uint32_t (&words)[4][Lanes], PhiloxKey key) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < Lanes; ++i) {
      const uint64_t product0 = uint64_t{kMultiplier0} * words[0][i];
      const uint64_t product1 = uint64_t{kMultiplier1} * words[2][i];
      words[0][i] = static_cast<uint32_t>(product1 >> 32) ^ words[1][i] ^ key.low;
      words[1][i] = static_cast<uint32_t>(product1);
      words[2][i] = static_cast<uint32_t>(product0 >> 32) ^ words[3][i] ^ key.high;
      words[3][i] = static_cast<uint32_t>(product0);
    }
    key.low += kWeyl0;
    key.high += kWeyl1;
  }
}

/// Float in (0, 1) from 32 bits: the middle of one of 2^23 cells, exact in float32 (2^24 cells
/// would round up to 1).
EQUIPOISE_EVERYWHERE float open_unit(uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

}  // namespace equipoise
