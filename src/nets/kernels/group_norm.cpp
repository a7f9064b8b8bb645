#include "nets/kernels/group_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "nets/kernels/rows.h"
#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {
namespace {

/// What an image's normalisation is to each channel: z = x gain + start, and x - centre = h /
/// inverse.
struct Affine {
  void resize(int64_t channels) {
    for (std::vector<float>* part : {&gain, &start, &centre, &inverse})
      part->resize(static_cast<size_t>(channels));
  }
  std::vector<float> gain, start, centre, inverse;
};

void fold(const NormShape& shape, const NormInputs& in, int64_t image, const float* mean,
          const float* inverse, Affine& affine) {
  const int64_t size = shape.channels / shape.groups;
  for (int64_t c = 0; c < shape.channels; ++c) {
    const int64_t i = image * shape.channels + c, g = image * shape.groups + c / size;
    const float modulation = in.scale ? 1 + in.scale[i] : 1.0f;
    affine.centre[c] = mean[g] - (in.offset ? in.offset[i] : 0.0f);
    affine.inverse[c] = inverse[g];
    affine.gain[c] = inverse[g] * in.weight[c] * modulation;
    affine.start[c] = in.bias[c] * modulation + (in.shift ? in.shift[i] : 0.0f) -
                      affine.centre[c] * affine.gain[c];
  }
}

EQUIPOISE_SIMD void add_up_squares(int64_t pixels, int64_t channels, const float* x,
                                   const float* centre, float* sums) {
  std::fill_n(sums, channels, 0.0f);
  over_pixel_blocks(pixels, channels,
                    [&]<class V>(V, int64_t c, int64_t first, int64_t last)
                        EQUIPOISE_LAMBDA_INLINE {
                          const V middle = load<V>(centre + c);
                          V sum = load<V>(sums + c);
                          for (int64_t p = first; p < last; ++p) {
                            const V difference = load<V>(x + p * channels + c) - middle;
                            sum += difference * difference;
                          }
                          store(sums + c, sum);
                        });
}

EQUIPOISE_SIMD void apply(int64_t pixels, int64_t channels, const float* x, const float* gain,
                          const float* start, bool use_silu, float* y) {
  for (int64_t p = 0; p < pixels; ++p)
    over_wide_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      const V z = load<V>(x + p * channels + c) * load<V>(gain + c) + load<V>(start + c);
      store(y + p * channels + c, use_silu ? z * sigmoid<V>(z) : z);
    });
}

/// Per channel: sums over pixels of dz, dz (x - centre) and x - centre.
struct ChannelSums {
  std::vector<float> gradient, product, deviation;
};

/// Memory that a thread keeps from call to call.
struct Scratch {
  Affine affine;
  ChannelSums sums;
  std::vector<float> squares, slope, constant;

  void resize(int64_t channels) {
    affine.resize(channels);
    for (std::vector<float>* part :
         {&sums.gradient, &sums.product, &sums.deviation, &squares, &slope, &constant})
      part->resize(static_cast<size_t>(channels));
  }
};

Scratch& scratch_for(int64_t channels) {
  thread_local Scratch scratch;
  scratch.resize(channels);
  return scratch;
}

/// grad_z into `grad_x`, and its sums.
EQUIPOISE_SIMD void backward_of_silu(int64_t pixels, int64_t channels, const float* x,
                                     const float* grad_y, const float* gain, const float* start,
                                     const float* centre, bool use_silu, float* grad_z,
                                     float* gradient, float* product, float* deviation) {
  std::fill_n(gradient, channels, 0.0f);
  std::fill_n(product, channels, 0.0f);
  std::fill_n(deviation, channels, 0.0f);
  over_pixel_blocks(pixels, channels,
                    [&]<class V>(V, int64_t c, int64_t first, int64_t last)
                        EQUIPOISE_LAMBDA_INLINE {
                          const V middle = load<V>(centre + c), slope = load<V>(gain + c),
                                  offset = load<V>(start + c);
                          V sum = load<V>(gradient + c), sum_of_products = load<V>(product + c),
                            sum_of_deviations = load<V>(deviation + c);
                          for (int64_t p = first; p < last; ++p) {
                            const int64_t i = p * channels + c;
                            const V value = load<V>(x + i), difference = value - middle;
                            V dz = load<V>(grad_y + i);
                            if (use_silu) {
                              const V z = value * slope + offset;
                              const V s = sigmoid<V>(z);
                              dz *= s * (1.0f + z * (1.0f - s));
                            }
                            store(grad_z + i, dz);
                            sum += dz;
                            sum_of_products += dz * difference;
                            sum_of_deviations += difference;
                          }
                          store(gradient + c, sum);
                          store(product + c, sum_of_products);
                          store(deviation + c, sum_of_deviations);
                        });
}

/// grad_x = grad_z gain - slope (x - centre) - constant, in place.
EQUIPOISE_SIMD void backward_of_norm(int64_t pixels, int64_t channels, const float* x,
                                     const float* gain, const float* slope, const float* constant,
                                     float* grad) {
  for (int64_t p = 0; p < pixels; ++p)
    over_wide_channels(channels, [&]<class V>(V, int64_t c) EQUIPOISE_LAMBDA_INLINE {
      const int64_t i = p * channels + c;
      store(grad + i, load<V>(grad + i) * load<V>(gain + c) - load<V>(x + i) * load<V>(slope + c) -
                          load<V>(constant + c));
    });
}

/// out[group] = sum of values over its channels, in double: there are at most a few hundred.
template <class Value>
double group_sum(int64_t group, int64_t size, Value value) {
  double sum = 0;
  for (int64_t c = group * size; c < (group + 1) * size; ++c) sum += value(c);
  return sum;
}

}  // namespace

void group_norm_forward(const NormShape& shape, const NormInputs& in, float* y, float* mean,
                        float* inverse) {
  const int64_t channels = shape.channels, size = channels / shape.groups,
                stride = shape.pixels * channels;
  const double count = static_cast<double>(shape.pixels * size);
  Scratch& scratch = scratch_for(channels);
  std::vector<float>& sums = scratch.squares;
  Affine& affine = scratch.affine;
  for (int64_t image = 0; image < shape.batch; ++image) {
    const float* x = in.x + image * stride;
    const auto offset = [&](int64_t c) {
      return in.offset ? in.offset[image * channels + c] : 0.0f;
    };
    float *means = mean + image * shape.groups, *inverses = inverse + image * shape.groups;
    sum_rows(shape.pixels, channels, x, sums.data());
    for (int64_t g = 0; g < shape.groups; ++g)
      means[g] = static_cast<float>(group_sum(g, size,
                                              [&](int64_t c) {
                                                return sums[c] + static_cast<double>(shape.pixels) *
                                                                     offset(c);
                                              }) /
                                    count);
    for (int64_t c = 0; c < channels; ++c) affine.centre[c] = means[c / size] - offset(c);
    add_up_squares(shape.pixels, channels, x, affine.centre.data(), sums.data());
    for (int64_t g = 0; g < shape.groups; ++g)
      inverses[g] = static_cast<float>(
          1 /
          std::sqrt(group_sum(g, size, [&](int64_t c) { return sums[c]; }) / count + shape.eps));
    fold(shape, in, image, mean, inverse, affine);
    apply(shape.pixels, channels, x, affine.gain.data(), affine.start.data(), shape.use_silu,
          y + image * stride);
  }
}

void group_norm_backward(const NormShape& shape, const NormInputs& in, const float* mean,
                         const float* inverse, const float* grad_y, const NormGradients& grad) {
  const int64_t channels = shape.channels, size = channels / shape.groups,
                stride = shape.pixels * channels;
  const double count = static_cast<double>(shape.pixels * size);
  Scratch& scratch = scratch_for(channels);
  Affine& affine = scratch.affine;
  ChannelSums& sums = scratch.sums;
  std::vector<float>&slope = scratch.slope, &constant = scratch.constant;
  std::fill_n(grad.weight, channels, 0.0f);
  std::fill_n(grad.bias, channels, 0.0f);
  for (int64_t image = 0; image < shape.batch; ++image) {
    const float* x = in.x + image * stride;
    fold(shape, in, image, mean, inverse, affine);
    backward_of_silu(shape.pixels, channels, x, grad_y + image * stride, affine.gain.data(),
                     affine.start.data(), affine.centre.data(), shape.use_silu,
                     grad.x + image * stride, sums.gradient.data(), sums.product.data(),
                     sums.deviation.data());
    for (int64_t c = 0; c < channels; ++c) {
      const int64_t i = image * channels + c;
      const float along_h = affine.inverse[c] * sums.product[c],
                  modulation = in.scale ? 1 + in.scale[i] : 1.0f;
      grad.weight[c] += modulation * along_h;
      grad.bias[c] += modulation * sums.gradient[c];
      if (grad.scale) grad.scale[i] = in.weight[c] * along_h + in.bias[c] * sums.gradient[c];
      if (grad.shift) grad.shift[i] = sums.gradient[c];
    }
    for (int64_t g = 0; g < shape.groups; ++g) {
      const double mean_gradient =
          group_sum(g, size, [&](int64_t c) { return affine.gain[c] * sums.gradient[c]; }) / count;
      const double mean_product =
          group_sum(g, size, [&](int64_t c) { return affine.gain[c] * sums.product[c]; }) / count;
      for (int64_t c = g * size; c < (g + 1) * size; ++c) {
        slope[c] = static_cast<float>(mean_product * affine.inverse[c] * affine.inverse[c]);
        constant[c] = static_cast<float>(mean_gradient) - slope[c] * affine.centre[c];
        if (grad.offset)
          grad.offset[image * channels + c] =
              affine.gain[c] * sums.gradient[c] - slope[c] * sums.deviation[c] -
              static_cast<float>(mean_gradient * static_cast<double>(shape.pixels));
      }
    }
    backward_of_norm(shape.pixels, channels, x, affine.gain.data(), slope.data(), constant.data(),
                     grad.x + image * stride);
  }
}

}  // namespace equipoise::nets::kernels
