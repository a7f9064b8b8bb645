#include "core/device_random_kernels.h"

#include <cuda_runtime.h>

namespace equipoise::device {
namespace {

// A block of the stream makes PerBlock numbers.
struct Normals {
  static constexpr int kPerBlock = 4;
  // Box and Muller's pairs, as RandomStream::fill_normal makes them.
  __device__ void operator()(const uint32_t (&words)[4][1], float (&values)[kPerBlock]) const {
    constexpr float kTwoPi = 6.283185307179586f;
    for (int pair = 0; pair < 2; ++pair) {
      const float radius = sqrtf(-2 * logf(open_unit(words[2 * pair][0])));
      const float angle = kTwoPi * open_unit(words[2 * pair + 1][0]);
      values[2 * pair] = radius * cosf(angle);
      values[2 * pair + 1] = radius * sinf(angle);
    }
  }
};

struct Uniforms {
  static constexpr int kPerBlock = 4;
  __device__ void operator()(const uint32_t (&words)[4][1], float (&values)[kPerBlock]) const {
    for (int i = 0; i < 4; ++i) values[i] = open_unit(words[i][0]);
  }
};

struct Masks {
  static constexpr int kPerBlock = 8;
  Mask mask;
  __device__ void operator()(const uint32_t (&words)[4][1], float (&values)[kPerBlock]) const {
    for (int i = 0; i < 4; ++i) {
      values[2 * i] = (words[i][0] & 0xFFFF) < mask.drop_below ? 0.0f : mask.kept;
      values[2 * i + 1] = (words[i][0] >> 16) < mask.drop_below ? 0.0f : mask.kept;
    }
  }
};

template <class Law>
__global__ void fill(StreamRows rows, int64_t blocks_per_row, Law law, float* out) {
  const int64_t index = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
  if (index >= rows.num_rows * blocks_per_row) return;
  const int64_t row = index / blocks_per_row, block = index % blocks_per_row;
  const auto image = static_cast<uint64_t>(rows.indices[row]);
  uint32_t words[4][1] = {{static_cast<uint32_t>(block)},
                          {static_cast<uint32_t>(block >> 32)},
                          {static_cast<uint32_t>(image)},
                          {static_cast<uint32_t>(image >> 32)}};
  philox_blocks<1>(words, rows.key);
  float values[Law::kPerBlock];
  law(words, values);
  const int64_t first = block * Law::kPerBlock;
  for (int i = 0; i < Law::kPerBlock; ++i)
    if (first + i < rows.width) out[row * rows.width + first + i] = values[i];
}

template <class Law>
int launch(const StreamRows& rows, Law law, float* out, void* stream) {
  constexpr int64_t kThreads = 256;
  const int64_t blocks_per_row = (rows.width + Law::kPerBlock - 1) / Law::kPerBlock,
                total = rows.num_rows * blocks_per_row;
  if (total == 0) return 0;
  fill<<<static_cast<unsigned>((total + kThreads - 1) / kThreads), kThreads, 0,
         static_cast<cudaStream_t>(stream)>>>(rows, blocks_per_row, law, out);
  return cudaGetLastError();
}

}  // namespace

int fill_normal(const StreamRows& rows, float* out, void* stream) {
  return launch(rows, Normals{}, out, stream);
}

int fill_uniform(const StreamRows& rows, float* out, void* stream) {
  return launch(rows, Uniforms{}, out, stream);
}

int fill_mask(const StreamRows& rows, Mask mask, float* out, void* stream) {
  return launch(rows, Masks{mask}, out, stream);
}

}  // namespace equipoise::device
