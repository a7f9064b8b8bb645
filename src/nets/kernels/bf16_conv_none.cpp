#include "core/error.h"
#include "nets/kernels/bf16_conv.h"

namespace equipoise::nets::kernels {

bool has_bf16_convolution(const ConvShape&, int64_t) {
  return false;
}

size_t packed_weights_size(const ConvShape&, int64_t) {
  return 0;
}

void pack_weights(const ConvShape&, int64_t, const float*, void*) {
  EQUIPOISE_ASSERT(!"built without oneDNN");
}

void bf16_forward(const ConvShape&, int64_t, const uint16_t*, const float*, const float*, float*,
                  const void*) {
  EQUIPOISE_ASSERT(!"built without oneDNN");
}

void bf16_backward(const ConvShape&, int64_t, const uint16_t*, const float*, const float*,
                   const ConvGradients&) {
  EQUIPOISE_ASSERT(!"built without oneDNN");
}

}  // namespace equipoise::nets::kernels
