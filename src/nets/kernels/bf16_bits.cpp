#include <bit>

#include "nets/kernels/bf16_conv.h"
#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {

EQUIPOISE_SIMD void to_bf16(int64_t size, const float* values, uint16_t* bits) {
  for (int64_t i = 0; i < size; ++i) {
    const auto word = std::bit_cast<uint32_t>(values[i]);
    const uint32_t rounded = (word + 0x7FFF + (word >> 16 & 1)) >> 16;
    // A NaN whose payload rounds away would become infinity.
    const bool is_nan = (word & 0x7FFFFFFF) > 0x7F800000;
    bits[i] = static_cast<uint16_t>(is_nan ? 0x7FC0 : rounded);
  }
}

}  // namespace equipoise::nets::kernels
