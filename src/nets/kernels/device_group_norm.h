// The group norm of group_norm.h on a CUDA device, channels-last: two reads of the image and one
// write forward, four and one backward, where LibTorch's operators go over it three times as often
// and want it in another layout.
#pragma once

#include <cstdint>

#include "nets/kernels/group_norm.h"

namespace equipoise::nets::kernels::device {

/// Multiples of four channels, at most this many.
inline constexpr int64_t kMostChannels = 1024;

/// Parts that an image's pixels are summed in, so that there is work for the whole device.
int64_t num_parts(const NormShape& shape);

/// y as group_norm_forward gives it. All memory is the device's. Of the caller: sums [B, parts, 2, C];
/// folded [B, 4, C], kept for the way back. `stream` is a cudaStream_t. Returns the launches'
/// cudaError_t, 0 = success.
int group_norm_forward(const NormShape& shape, const NormInputs& in, float* y, float* sums,
                       float* folded, void* stream);

/// As group_norm_backward, but `grad.weight` and `grad.bias` [B, C] are those of each image. sums
/// [B, parts, 3, C]; slopes [B, 2, C].
int group_norm_backward(const NormShape& shape, const NormInputs& in, const float* folded,
                        const float* grad_y, const NormGradients& grad, float* sums, float* slopes,
                        void* stream);

}  // namespace equipoise::nets::kernels::device
