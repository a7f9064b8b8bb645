// Convolutions of bfloat16 numbers summed in float32, channels-last, by oneDNN's direct kernels.
//
// Those run at the processor's rate of bfloat16 products, twice that of float32; what is ours is to
// call them without reorders: images stay as they are, weights are packed as the kernel likes them,
// and primitives are made once a shape. On the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nets/kernels/winograd.h"

namespace equipoise::nets::kernels {

/// Whether this processor has kernels for these convolutions, k = 1 or 3, zero padding k/2, forward
/// and backward; never oneDNN's reference implementation. False in programs built without oneDNN.
bool has_bf16_convolution(const ConvShape& shape, int64_t kernel);

/// Bits of the nearest bfloat16 numbers, ties to even.
void to_bf16(int64_t size, const float* values, uint16_t* bits);

/// The weights as the forward kernel of this problem wants them, for any number of calls: their size
/// in bytes, and they themselves. Only where has_bf16_convolution, as all below.
size_t packed_weights_size(const ConvShape& shape, int64_t kernel);
void pack_weights(const ConvShape& shape, int64_t kernel, const float* weight, void* packed);

/// y = W * x + b. x [B,H,W,Cin] as bits; weight [Cout,Cin,k,k]; bias [Cout] or null; y
/// [B,H,W,Cout]. `packed` is what pack_weights made of the weight, or null.
void bf16_forward(const ConvShape& shape, int64_t kernel, const uint16_t* x, const float* weight,
                  const float* bias, float* y, const void* packed = nullptr);

/// Gradients of those that `gradients` points to, from grad_y [B,H,W,Cout].
void bf16_backward(const ConvShape& shape, int64_t kernel, const uint16_t* x, const float* weight,
                   const float* grad_y, const ConvGradients& gradients);

}  // namespace equipoise::nets::kernels
