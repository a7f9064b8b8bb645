// The CUDA kernels behind core/device_random.h, free of LibTorch's headers.
#pragma once

#include <cstdint>

#include "core/philox.h"

namespace equipoise::device {

/// Rows of `width` numbers: row i from the stream with `key` and index indices[i]. All memory is the
/// device's.
struct StreamRows {
  PhiloxKey key;
  const int64_t* indices;
  int64_t num_rows, width;
};

/// What each block of four words is made into.
struct Mask {
  uint32_t drop_below;
  float kept;
};

/// Enqueue on `stream`, a cudaStream_t. Return the launch's cudaError_t, 0 = success.
int fill_normal(const StreamRows& rows, float* out, void* stream);
int fill_uniform(const StreamRows& rows, float* out, void* stream);
int fill_mask(const StreamRows& rows, Mask mask, float* out, void* stream);

}  // namespace equipoise::device
