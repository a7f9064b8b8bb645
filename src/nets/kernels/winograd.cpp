#include "nets/kernels/winograd.h"

#include <algorithm>
#include <vector>

#include "nets/kernels/gemm.h"
#include "nets/kernels/rows.h"
#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {
namespace {

constexpr int64_t kOut = 4, kPatch = 6, kPoints = kPatch * kPatch, kTaps = 3;
// Floats between two of 36 matrices: keeps them from falling on the same cache sets.
constexpr int64_t kPadding = 16;
// Of transformed input and output together; measured, larger is no faster where there are few
// channels. Where there are many, products of fewer tiles spend too long on fetching the weights.
constexpr int64_t kBlockFloats = 512 * 1024, kLeastTiles = 128;

// --- The three transforms and their adjoints in one dimension.

struct InputTransform {  // B^T
  static constexpr int kIn = 6, kOut = 6;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&d)[6], V (&o)[6]) {
    const V even4 = d[4] - 4.0f * d[2], odd4 = d[3] - 4.0f * d[1];
    const V even1 = d[4] - d[2], odd1 = 2.0f * (d[3] - d[1]);
    o[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    o[1] = even4 + odd4;
    o[2] = even4 - odd4;
    o[3] = even1 + odd1;
    o[4] = even1 - odd1;
    o[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
  }
};

struct InputAdjoint {  // B
  static constexpr int kIn = 6, kOut = 6;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&v)[6], V (&o)[6]) {
    const V sum12 = v[1] + v[2], diff12 = v[1] - v[2], sum34 = v[3] + v[4], diff34 = v[3] - v[4];
    o[0] = 4.0f * v[0];
    o[1] = 4.0f * (v[5] - diff12) - 2.0f * diff34;
    o[2] = -5.0f * v[0] - 4.0f * sum12 - sum34;
    o[3] = diff12 + 2.0f * diff34 - 5.0f * v[5];
    o[4] = v[0] + sum12 + sum34;
    o[5] = v[5];
  }
};

struct OutputTransform {  // A^T
  static constexpr int kIn = 6, kOut = 4;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&m)[6], V (&o)[4]) {
    const V sum12 = m[1] + m[2], diff12 = m[1] - m[2], sum34 = m[3] + m[4], diff34 = m[3] - m[4];
    o[0] = m[0] + sum12 + sum34;
    o[1] = diff12 + 2.0f * diff34;
    o[2] = sum12 + 4.0f * sum34;
    o[3] = diff12 + 8.0f * diff34 + m[5];
  }
};

struct OutputAdjoint {  // A
  static constexpr int kIn = 4, kOut = 6;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&y)[4], V (&o)[6]) {
    const V even1 = y[0] + y[2], odd1 = y[1] + y[3], even2 = y[0] + 4.0f * y[2],
            odd2 = 2.0f * y[1] + 8.0f * y[3];
    o[0] = y[0];
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = y[3];
  }
};

struct WeightTransform {  // G
  static constexpr int kIn = 3, kOut = 6;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&g)[3], V (&o)[6]) {
    const V even1 = (g[0] + g[2]) * (-1.0f / 6), odd1 = g[1] * (-1.0f / 6);
    const V even2 = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), odd2 = g[1] * (1.0f / 12);
    o[0] = 0.25f * g[0];
    o[1] = even1 + odd1;
    o[2] = even1 - odd1;
    o[3] = even2 + odd2;
    o[4] = even2 - odd2;
    o[5] = g[2];
  }
};

struct WeightAdjoint {  // G^T
  static constexpr int kIn = 6, kOut = 3;
  template <class V>
  static EQUIPOISE_INLINE void apply(const V (&u)[6], V (&o)[3]) {
    const V sum12 = (u[1] + u[2]) * (1.0f / 6), sum34 = u[3] + u[4];
    o[0] = 0.25f * u[0] - sum12 + sum34 * (1.0f / 24);
    o[1] = (u[2] - u[1]) * (1.0f / 6) + (u[3] - u[4]) * (1.0f / 12);
    o[2] = sum34 * (1.0f / 6) - sum12 + u[5];
  }
};

/// out = T in T^T. `in(row, column)` reads, `out(row, column, value)` writes.
template <class T, class V, class In, class Out>
EQUIPOISE_INLINE void transform(In in, Out out) {
  V half[T::kIn][T::kOut];
  for (int row = 0; row < T::kIn; ++row) {
    V line[T::kIn];
    for (int column = 0; column < T::kIn; ++column) line[column] = in(row, column);
    T::apply(line, half[row]);
  }
  for (int column = 0; column < T::kOut; ++column) {
    V line[T::kIn], result[T::kOut];
    for (int row = 0; row < T::kIn; ++row) line[row] = half[row][column];
    T::apply(line, result);
    for (int row = 0; row < T::kOut; ++row) out(row, column, result[row]);
  }
}

// --- Tiles.

struct Tiling {
  explicit Tiling(const ConvShape& shape)
      : height(shape.height),
        width(shape.width),
        across((shape.width + kOut - 1) / kOut),
        per_image((shape.height + kOut - 1) / kOut * across),
        count(shape.batch * per_image) {}
  int64_t height, width, across, per_image, count;
};

/// Pixel (row, column) of tile `index`'s patch of `size` x `size` pixels, the first one `margin`
/// before the tile.
struct TilePixels {
  TilePixels(const Tiling& tiling, int64_t index, int64_t margin)
      : tiling(tiling),
        image(index / tiling.per_image),
        top(index % tiling.per_image / tiling.across * kOut - margin),
        left(index % tiling.across * kOut - margin) {}
  EQUIPOISE_INLINE bool has(int64_t row, int64_t column) const {
    return static_cast<uint64_t>(top + row) < static_cast<uint64_t>(tiling.height) &&
           static_cast<uint64_t>(left + column) < static_cast<uint64_t>(tiling.width);
  }
  EQUIPOISE_INLINE int64_t offset(int64_t row, int64_t column) const {
    return (image * tiling.height + top + row) * tiling.width + left + column;
  }
  const Tiling& tiling;
  int64_t image, top, left;
};

/// Tiles begin … begin + count - 1, worked on together. Their transformed values are 36 matrices
/// [count, channels].
struct Block {
  int64_t begin, count;
  /// From one matrix to the next.
  int64_t plane(int64_t channels) const { return count * channels + kPadding; }
};

/// Addresses of a patch's pixels; those outside the image are `outside`.
template <class Float, int Size>
struct Patch {
  Patch(const Tiling& tiling, int64_t tile, int64_t margin, int64_t channels, Float* image,
        Float* outside) {
    const TilePixels pixels(tiling, tile, margin);
    for (int row = 0; row < Size; ++row)
      for (int column = 0; column < Size; ++column)
        pixel[row][column] =
            pixels.has(row, column) ? image + pixels.offset(row, column) * channels : outside;
  }
  Float* pixel[Size][Size];
};

/// values = T (patches of x) T^T; `zeros` [channels] stands for pixels outside the image.
template <class T, int Margin>
EQUIPOISE_INLINE void gather_tiles(const Tiling& tiling, Block block, int64_t channels,
                                   const float* x, const float* zeros, float* values) {
  const int64_t plane = block.plane(channels);
  for (int64_t tile = 0; tile < block.count; ++tile) {
    const Patch<const float, T::kIn> patch(tiling, block.begin + tile, Margin, channels, x, zeros);
    float* to = values + tile * channels;
    over_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      transform<T, V>([&](int row, int column)
                          EQUIPOISE_LAMBDA_INLINE { return load<V>(patch.pixel[row][column] + c); },
                      [&](int row, int column, V value) EQUIPOISE_LAMBDA_INLINE {
                        store(to + (row * T::kOut + column) * plane + c, value);
                      });
    });
  }
}

EQUIPOISE_SIMD void transform_input(const Tiling& tiling, Block block, int64_t channels,
                                    const float* x, const float* zeros, float* values) {
  gather_tiles<InputTransform, 1>(tiling, block, channels, x, zeros, values);
}
EQUIPOISE_SIMD void transform_output_gradient(const Tiling& tiling, Block block, int64_t channels,
                                              const float* grad_y, const float* zeros,
                                              float* values) {
  gather_tiles<OutputAdjoint, 0>(tiling, block, channels, grad_y, zeros, values);
}

/// y = A^T (values) A + bias; `ignored` [channels] takes what falls outside the image.
EQUIPOISE_SIMD void transform_to_output(const Tiling& tiling, Block block, int64_t channels,
                                        const float* values, const float* bias, float* ignored,
                                        float* y) {
  const int64_t plane = block.plane(channels);
  for (int64_t tile = 0; tile < block.count; ++tile) {
    const Patch<float, kOut> patch(tiling, block.begin + tile, 0, channels, y, ignored);
    const float* from = values + tile * channels;
    over_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      const V start = bias ? load<V>(bias + c) : V{};
      transform<OutputTransform, V>(
          [&](int row, int column) EQUIPOISE_LAMBDA_INLINE {
            return load<V>(from + (row * kPatch + column) * plane + c);
          },
          [&](int row, int column, V value)
              EQUIPOISE_LAMBDA_INLINE { store(patch.pixel[row][column] + c, value + start); });
    });
  }
}

/// grad_x += B (values) B^T: patches overlap, so they are added up.
EQUIPOISE_SIMD void add_input_gradient(const Tiling& tiling, Block block, int64_t channels,
                                       const float* values, float* ignored, float* grad_x) {
  const int64_t plane = block.plane(channels);
  for (int64_t tile = 0; tile < block.count; ++tile) {
    const Patch<float, kPatch> patch(tiling, block.begin + tile, 1, channels, grad_x, ignored);
    const float* from = values + tile * channels;
    over_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      transform<InputAdjoint, V>(
          [&](int row, int column) EQUIPOISE_LAMBDA_INLINE {
            return load<V>(from + (row * kPatch + column) * plane + c);
          },
          [&](int row, int column, V value) EQUIPOISE_LAMBDA_INLINE {
            float* to = patch.pixel[row][column] + c;
            store(to, load<V>(to) + value);
          });
    });
  }
}

// --- Weights: U, 36 matrices [Cout, Cin], so that eight input channels of one output channel lie
// side by side.

int64_t weight_plane(int64_t in_channels, int64_t out_channels) {
  return in_channels * out_channels + kPadding;
}

EQUIPOISE_SIMD void transform_weights(int64_t in_channels, int64_t out_channels,
                                      const float* weight, float* u) {
  const int64_t plane = weight_plane(in_channels, out_channels);
  for (int64_t out = 0; out < out_channels; ++out) {
    over_channels(in_channels, [&]<class V>(V, int64_t in) EQUIPOISE_LAMBDA_INLINE {
      const float* filters = weight + (out * in_channels + in) * kTaps * kTaps;
      transform<WeightTransform, V>(
          [&](int row, int column) EQUIPOISE_LAMBDA_INLINE {
            return load_every<V, kTaps * kTaps>(filters + row * kTaps + column);
          },
          [&](int row, int column, V value) EQUIPOISE_LAMBDA_INLINE {
            store(u + (row * kPatch + column) * plane + out * in_channels + in, value);
          });
    });
  }
}

EQUIPOISE_SIMD void transform_weight_gradient(int64_t in_channels, int64_t out_channels,
                                              const float* grad_u, float* grad_weight) {
  const int64_t plane = weight_plane(in_channels, out_channels);
  for (int64_t out = 0; out < out_channels; ++out) {
    over_channels(in_channels, [&]<class V>(V, int64_t in) EQUIPOISE_LAMBDA_INLINE {
      float* filters = grad_weight + (out * in_channels + in) * kTaps * kTaps;
      transform<WeightAdjoint, V>(
          [&](int row, int column) EQUIPOISE_LAMBDA_INLINE {
            return load<V>(grad_u + (row * kPatch + column) * plane + out * in_channels + in);
          },
          [&](int row, int column, V value) EQUIPOISE_LAMBDA_INLINE {
            store_every<kTaps * kTaps>(filters + row * kTaps + column, value);
          });
    });
  }
}

// --- The whole.

/// Memory that a thread keeps from call to call.
struct Scratch {
  std::vector<float> weights, weight_gradient, inputs, outputs, zeros, ignored;

  static float* sized(std::vector<float>& memory, int64_t size) {
    if (static_cast<int64_t>(memory.size()) < size) memory.resize(static_cast<size_t>(size));
    return memory.data();
  }
};

Scratch& scratch_of_thread() {
  thread_local Scratch scratch;
  return scratch;
}

/// One convolution's tiles, block by block, and the memory they are transformed into.
class Pass {
 public:
  explicit Pass(const ConvShape& shape)
      : in(shape.in_channels),
        out(shape.out_channels),
        tiling(shape),
        inputs(Scratch::sized(scratch.inputs, kPoints * Block{0, block_size(shape)}.plane(in))),
        outputs(Scratch::sized(scratch.outputs, kPoints * Block{0, block_size(shape)}.plane(out))),
        zeros(Scratch::sized(scratch.zeros, std::max(in, out))),
        ignored(Scratch::sized(scratch.ignored, std::max(in, out))),
        block_size_(block_size(shape)) {}

  template <class Body>
  void over_blocks(Body body) const {
    for (int64_t begin = 0; begin < tiling.count; begin += block_size_)
      body(Block{begin, std::min(block_size_, tiling.count - begin)});
  }
  /// inputs [36][tiles, in] times U^T -> outputs.
  void filter(Block block, const float* u) const {
    for (int64_t point = 0; point < kPoints; ++point)
      multiply({block.count, out, in}, {inputs + point * block.plane(in), in},
               {u + point * weight_plane(in, out), in, true}, outputs + point * block.plane(out),
               out);
  }
  /// outputs times U -> inputs.
  void filter_back(Block block, const float* u) const {
    for (int64_t point = 0; point < kPoints; ++point)
      multiply({block.count, in, out}, {outputs + point * block.plane(out), out},
               {u + point * weight_plane(in, out), in}, inputs + point * block.plane(in), in);
  }
  /// grad_u (+)= outputs^T inputs.
  void correlate(Block block, float* grad_u) const {
    for (int64_t point = 0; point < kPoints; ++point)
      multiply({out, in, block.count, block.begin == 0 ? 0.0f : 1.0f},
               {outputs + point * block.plane(out), out, true},
               {inputs + point * block.plane(in), in}, grad_u + point * weight_plane(in, out), in);
  }

  const int64_t in, out;
  const Tiling tiling;
  Scratch& scratch = scratch_of_thread();
  float *const inputs, *const outputs;
  const float* const zeros;
  float* const ignored;

 private:
  /// Blocks of one size, or nearly.
  int64_t block_size(const ConvShape& shape) const {
    const int64_t fitting = kBlockFloats / (kPoints * (shape.in_channels + shape.out_channels)),
                  most = std::max(kLeastTiles, fitting),
                  num_blocks = (tiling.count + most - 1) / most;
    return std::min(tiling.count, ((tiling.count + num_blocks - 1) / num_blocks + 7) / 8 * 8);
  }
  const int64_t block_size_;
};

}  // namespace

void winograd_forward(const ConvShape& shape, const float* x, const float* weight,
                      const float* bias, float* y) {
  const Pass pass(shape);
  float* u = Scratch::sized(pass.scratch.weights, kPoints * weight_plane(pass.in, pass.out));
  transform_weights(pass.in, pass.out, weight, u);
  pass.over_blocks([&](Block block) {
    transform_input(pass.tiling, block, pass.in, x, pass.zeros, pass.inputs);
    pass.filter(block, u);
    transform_to_output(pass.tiling, block, pass.out, pass.outputs, bias, pass.ignored, y);
  });
}

void winograd_backward(const ConvShape& shape, const float* x, const float* weight,
                       const float* grad_y, const ConvGradients& gradients) {
  const Pass pass(shape);
  const int64_t pixels = shape.batch * shape.height * shape.width;
  float* u = Scratch::sized(pass.scratch.weights, kPoints * weight_plane(pass.in, pass.out));
  float* grad_u =
      Scratch::sized(pass.scratch.weight_gradient, kPoints * weight_plane(pass.in, pass.out));
  if (gradients.bias) sum_rows(pixels, pass.out, grad_y, gradients.bias);
  if (gradients.x) {
    transform_weights(pass.in, pass.out, weight, u);
    std::fill_n(gradients.x, pixels * pass.in, 0.0f);
  }
  pass.over_blocks([&](Block block) {
    transform_output_gradient(pass.tiling, block, pass.out, grad_y, pass.zeros, pass.outputs);
    if (gradients.weight) {
      transform_input(pass.tiling, block, pass.in, x, pass.zeros, pass.inputs);
      pass.correlate(block, grad_u);
    }
    if (gradients.x) {
      pass.filter_back(block, u);
      add_input_gradient(pass.tiling, block, pass.in, pass.inputs, pass.ignored, gradients.x);
    }
  });
  if (gradients.weight) transform_weight_gradient(pass.in, pass.out, grad_u, gradients.weight);
}

}  // namespace equipoise::nets::kernels
