#include <cuda_runtime.h>

#include "nets/kernels/device_group_norm.h"

namespace equipoise::nets::kernels::device {
namespace {

constexpr int kThreads = 256, kQuad = 4;

/// What an image's normalisation is to each channel, in `folded` [B, 4, C]: z = x gain + start, and
/// x - centre = h / inverse.
enum Folded { kGain, kStart, kCentre, kInverse, kNumFolded };
enum ForwardSum { kSum, kSquares, kNumForwardSums };
enum BackwardSum { kGradient, kProduct, kDeviation, kNumBackwardSums };
enum Slope { kSlope, kConstant, kNumSlopes };

__device__ float4 quad(const float* from) { return *reinterpret_cast<const float4*>(from); }
__device__ float element(const float4& values, int i) { return (&values.x)[i]; }
__device__ float& element(float4& values, int i) { return (&values.x)[i]; }

/// Rows of `folded` and `slopes`.
__device__ const float* row(const float* table, int64_t image, int num_rows, int index,
                            int64_t channels) {
  return table + (image * num_rows + index) * channels;
}

__device__ float sigmoid(float z) { return 1 / (1 + expf(-z)); }

/// Gradient at z, from that at y.
__device__ float through_silu(float grad_y, float z, bool use_silu) {
  if (!use_silu) return grad_y;
  const float s = sigmoid(z);
  return grad_y * s * (1 + z * (1 - s));
}

/// The terms summed over pixels going forward: x - pivot and its square; the image's first pixel as
/// pivot keeps a large mean from swallowing the variance.
struct ForwardTerms {
  static constexpr int kNum = kNumForwardSums;
  const float* x;
  int64_t channels;
  __device__ void add(int64_t image_start, int64_t pixel, int64_t c,
                      float (&sums)[kNum][kQuad]) const {
    const float4 value = quad(x + image_start + pixel * channels + c),
                 pivot = quad(x + image_start + c);
    for (int i = 0; i < kQuad; ++i) {
      const float difference = element(value, i) - element(pivot, i);
      sums[kSum][i] += difference;
      sums[kSquares][i] += difference * difference;
    }
  }
};

/// And backward: dz, dz (x - centre), x - centre.
struct BackwardTerms {
  static constexpr int kNum = kNumBackwardSums;
  const float *x, *grad_y, *folded;
  int64_t channels, pixels;
  bool use_silu;
  __device__ void add(int64_t image_start, int64_t pixel, int64_t c,
                      float (&sums)[kNum][kQuad]) const {
    const int64_t place = image_start + pixel * channels + c,
                  image = image_start / (pixels * channels);
    const auto channel_row = [&](int index) {
      return quad(row(folded, image, kNumFolded, index, channels) + c);
    };
    const float4 value = quad(x + place), grad = quad(grad_y + place), gain = channel_row(kGain),
                 start = channel_row(kStart), centre = channel_row(kCentre);
    for (int i = 0; i < kQuad; ++i) {
      const float dz =
          through_silu(element(grad, i), element(value, i) * element(gain, i) + element(start, i), use_silu);
      const float difference = element(value, i) - element(centre, i);
      sums[kGradient][i] += dz;
      sums[kProduct][i] += dz * difference;
      sums[kDeviation][i] += difference;
    }
  }
};

/// sums [B, parts, kNum, C]. A block takes one part of one image's pixels; a thread four channels of
/// every so many of its pixels.
template <class Terms>
__global__ void add_up(NormShape shape, Terms terms, int64_t parts, float* sums) {
  __shared__ float shared[Terms::kNum * kQuad][kThreads];
  const int64_t image = blockIdx.y, part = blockIdx.x;
  const int lanes = static_cast<int>(shape.channels / kQuad), rows = kThreads / lanes;
  const int lane = threadIdx.x % lanes, first = threadIdx.x / lanes;
  float mine[Terms::kNum][kQuad] = {};
  const int64_t end = shape.pixels * (part + 1) / parts;
  if (first < rows)
    for (int64_t p = shape.pixels * part / parts + first; p < end; p += rows)
      terms.add(image * shape.pixels * shape.channels, p, lane * kQuad, mine);
  for (int k = 0; k < Terms::kNum; ++k)
    for (int i = 0; i < kQuad; ++i) shared[k * kQuad + i][threadIdx.x] = mine[k][i];
  __syncthreads();
  if (first > 0) return;
  for (int k = 0; k < Terms::kNum; ++k)
    for (int i = 0; i < kQuad; ++i) {
      float all = 0;
      for (int r = 0; r < rows; ++r) all += shared[k * kQuad + i][r * lanes + lane];
      sums[((image * parts + part) * Terms::kNum + k) * shape.channels + lane * kQuad + i] = all;
    }
}

/// Sum number k of a channel over all parts.
template <int NumSums>
__device__ double total(const float* sums, int64_t image, int64_t parts, int k, int64_t channels,
                        int64_t c) {
  double all = 0;
  for (int64_t part = 0; part < parts; ++part)
    all += sums[((image * parts + part) * NumSums + k) * channels + c];
  return all;
}

/// One block an image.
__global__ void fold(NormShape shape, NormInputs in, int64_t parts, const float* sums,
                     float* folded) {
  __shared__ double mean[kMostChannels], squares[kMostChannels];
  __shared__ float group_mean[kMostChannels], group_inverse[kMostChannels];
  const int64_t image = blockIdx.x, channels = shape.channels, size = channels / shape.groups;
  const auto pixels = static_cast<double>(shape.pixels);
  for (int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const double sum = total<kNumForwardSums>(sums, image, parts, kSum, channels, c);
    mean[c] = in.x[image * shape.pixels * channels + c] + sum / pixels +
              (in.offset ? in.offset[image * channels + c] : 0.0f);
    squares[c] =
        total<kNumForwardSums>(sums, image, parts, kSquares, channels, c) - sum * sum / pixels;
  }
  __syncthreads();
  for (int64_t g = threadIdx.x; g < shape.groups; g += kThreads) {
    double middle = 0, spread = 0;
    for (int64_t c = g * size; c < (g + 1) * size; ++c) middle += mean[c] / size;
    for (int64_t c = g * size; c < (g + 1) * size; ++c)
      spread += squares[c] + pixels * (mean[c] - middle) * (mean[c] - middle);
    group_mean[g] = static_cast<float>(middle);
    group_inverse[g] = static_cast<float>(1 / sqrt(spread / (pixels * size) + shape.eps));
  }
  __syncthreads();
  for (int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const int64_t i = image * channels + c, g = c / size;
    const float modulation = in.scale ? 1 + in.scale[i] : 1.0f,
                centre = group_mean[g] - (in.offset ? in.offset[i] : 0.0f),
                gain = group_inverse[g] * in.weight[c] * modulation;
    float* const to = folded + image * kNumFolded * channels + c;
    to[kGain * channels] = gain;
    to[kStart * channels] =
        in.bias[c] * modulation + (in.shift ? in.shift[i] : 0.0f) - centre * gain;
    to[kCentre * channels] = centre;
    to[kInverse * channels] = group_inverse[g];
  }
}

/// One thread for four channels of a pixel.
__global__ void apply(NormShape shape, const float* x, const float* folded, float* y) {
  const int64_t quads = shape.channels / kQuad, channels = shape.channels;
  const int64_t index = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (index >= shape.batch * shape.pixels * quads) return;
  const int64_t image = index / (shape.pixels * quads), c = index % quads * kQuad;
  const float4 value = quad(x + index * kQuad),
               gain = quad(row(folded, image, kNumFolded, kGain, channels) + c),
               start = quad(row(folded, image, kNumFolded, kStart, channels) + c);
  float4 result;
  for (int i = 0; i < kQuad; ++i) {
    const float z = element(value, i) * element(gain, i) + element(start, i);
    element(result, i) = shape.use_silu ? z * sigmoid(z) : z;
  }
  *reinterpret_cast<float4*>(y + index * kQuad) = result;
}

/// One block an image: the gradients of all that is one number a channel, and what is left to do a
/// pixel.
__global__ void fold_backward(NormShape shape, NormInputs in, int64_t parts, const float* sums,
                              const float* folded, NormGradients grad, float* slopes) {
  __shared__ double gradients[kMostChannels], products[kMostChannels];
  __shared__ double mean_gradient[kMostChannels], mean_product[kMostChannels];
  const int64_t image = blockIdx.x, channels = shape.channels, size = channels / shape.groups;
  const auto pixels = static_cast<double>(shape.pixels);
  const auto of_channel = [&](int index, int64_t c) {
    return row(folded, image, kNumFolded, index, channels)[c];
  };
  for (int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const int64_t i = image * channels + c;
    gradients[c] = total<kNumBackwardSums>(sums, image, parts, kGradient, channels, c);
    products[c] = total<kNumBackwardSums>(sums, image, parts, kProduct, channels, c);
    const auto gradient = static_cast<float>(gradients[c]),
               along_h = static_cast<float>(of_channel(kInverse, c) * products[c]);
    const float modulation = in.scale ? 1 + in.scale[i] : 1.0f;
    grad.weight[i] = modulation * along_h;
    grad.bias[i] = modulation * gradient;
    if (grad.scale) grad.scale[i] = in.weight[c] * along_h + in.bias[c] * gradient;
    if (grad.shift) grad.shift[i] = gradient;
  }
  __syncthreads();
  for (int64_t g = threadIdx.x; g < shape.groups; g += kThreads) {
    double gradient = 0, product = 0;
    for (int64_t c = g * size; c < (g + 1) * size; ++c) {
      gradient += of_channel(kGain, c) * gradients[c];
      product += of_channel(kGain, c) * products[c];
    }
    mean_gradient[g] = gradient / (pixels * size);
    mean_product[g] = product / (pixels * size);
  }
  __syncthreads();
  for (int64_t c = threadIdx.x; c < channels; c += kThreads) {
    const int64_t g = c / size;
    const float inverse = of_channel(kInverse, c),
                slope = static_cast<float>(mean_product[g] * inverse * inverse);
    float* const to = slopes + image * kNumSlopes * channels + c;
    to[kSlope * channels] = slope;
    to[kConstant * channels] =
        static_cast<float>(mean_gradient[g]) - slope * of_channel(kCentre, c);
    if (grad.offset)
      grad.offset[image * channels + c] = static_cast<float>(
          of_channel(kGain, c) * gradients[c] -
          slope * total<kNumBackwardSums>(sums, image, parts, kDeviation, channels, c) -
          mean_gradient[g] * pixels);
  }
}

/// grad_x = dz gain - slope x - constant.
__global__ void apply_backward(NormShape shape, const float* x, const float* grad_y,
                               const float* folded, const float* slopes, float* grad_x) {
  const int64_t quads = shape.channels / kQuad, channels = shape.channels;
  const int64_t index = blockIdx.x * static_cast<int64_t>(kThreads) + threadIdx.x;
  if (index >= shape.batch * shape.pixels * quads) return;
  const int64_t image = index / (shape.pixels * quads), c = index % quads * kQuad;
  const float4 value = quad(x + index * kQuad), grad = quad(grad_y + index * kQuad),
               gain = quad(row(folded, image, kNumFolded, kGain, channels) + c),
               start = quad(row(folded, image, kNumFolded, kStart, channels) + c),
               slope = quad(row(slopes, image, kNumSlopes, kSlope, channels) + c),
               constant = quad(row(slopes, image, kNumSlopes, kConstant, channels) + c);
  float4 result;
  for (int i = 0; i < kQuad; ++i) {
    const float z = element(value, i) * element(gain, i) + element(start, i);
    element(result, i) = through_silu(element(grad, i), z, shape.use_silu) * element(gain, i) -
                    element(slope, i) * element(value, i) - element(constant, i);
  }
  *reinterpret_cast<float4*>(grad_x + index * kQuad) = result;
}

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 blocks, void* stream,
            const Arguments&... arguments) {
  kernel<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(arguments...);
}

dim3 blocks_over_quads(const NormShape& shape) {
  const int64_t quads = shape.batch * shape.pixels * shape.channels / kQuad;
  return dim3(static_cast<unsigned>((quads + kThreads - 1) / kThreads));
}

}  // namespace

int64_t num_parts(const NormShape& shape) {
  constexpr int64_t kWantedBlocks = 512, kLeastPixels = 32;
  const int64_t wanted = (kWantedBlocks + shape.batch - 1) / shape.batch,
                most = (shape.pixels + kLeastPixels - 1) / kLeastPixels;
  return wanted < most ? wanted : most;
}

int group_norm_forward(const NormShape& shape, const NormInputs& in, float* y, float* sums,
                       float* folded, void* stream) {
  const int64_t parts = num_parts(shape);
  const dim3 images(static_cast<unsigned>(shape.batch)),
      image_parts(static_cast<unsigned>(parts), static_cast<unsigned>(shape.batch));
  launch(add_up<ForwardTerms>, image_parts, stream, shape, ForwardTerms{in.x, shape.channels},
         parts, sums);
  launch(fold, images, stream, shape, in, parts, sums, folded);
  launch(apply, blocks_over_quads(shape), stream, shape, in.x, folded, y);
  return cudaGetLastError();
}

int group_norm_backward(const NormShape& shape, const NormInputs& in, const float* folded,
                        const float* grad_y, const NormGradients& grad, float* sums, float* slopes,
                        void* stream) {
  const int64_t parts = num_parts(shape);
  const dim3 images(static_cast<unsigned>(shape.batch)),
      image_parts(static_cast<unsigned>(parts), static_cast<unsigned>(shape.batch));
  launch(add_up<BackwardTerms>, image_parts, stream, shape,
         BackwardTerms{in.x, grad_y, folded, shape.channels, shape.pixels, shape.use_silu}, parts,
         sums);
  launch(fold_backward, images, stream, shape, in, parts, sums, folded, grad, slopes);
  launch(apply_backward, blocks_over_quads(shape), stream, shape, in.x, grad_y, folded, slopes,
         grad.x);
  return cudaGetLastError();
}

}  // namespace equipoise::nets::kernels::device
