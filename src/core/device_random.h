// Rows of random numbers made in the memory of a CUDA device, from the streams of core/random.h.
// Uniforms and masks are those of the processor bit for bit; normals differ in the last bits of
// logarithm and cosine.
#pragma once

#include <torch/types.h>

#include "core/philox.h"

namespace equipoise::device {

/// Row i is of the stream with this key and index indices[i] (int64, on the device): standard
/// normals, [indices.numel(), item_shape…] float32 beside the indices.
at::Tensor normal_rows(PhiloxKey key, const at::Tensor& indices, at::IntArrayRef item_shape);
/// Uniforms in (0, 1).
at::Tensor uniform_rows(PhiloxKey key, const at::Tensor& indices, at::IntArrayRef item_shape);
/// [indices.numel(), width]: 0 where 16 bits of the stream are below `drop_below`, else `kept`.
at::Tensor mask_rows(PhiloxKey key, const at::Tensor& indices, int64_t width, uint32_t drop_below,
                     float kept);

}  // namespace equipoise::device
