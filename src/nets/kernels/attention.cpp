#include "nets/kernels/attention.h"

#include <cmath>
#include <vector>

#include "nets/kernels/gemm.h"
#include "nets/kernels/simd.h"

namespace equipoise::nets::kernels {
namespace {

/// Query, key and value of one head of one image, or their gradients: [tokens, D] each.
struct Head {
  std::vector<float> query, key, value;

  void resize(const AttentionShape& shape) {
    for (std::vector<float>* part : {&query, &key, &value})
      part->resize(static_cast<size_t>(shape.tokens * shape.channels));
  }
};

struct Scratch {
  Head values, gradients;
  std::vector<float> logits;
};

Scratch& scratch_for(const AttentionShape& shape) {
  thread_local Scratch scratch;
  scratch.values.resize(shape);
  scratch.gradients.resize(shape);
  scratch.logits.resize(static_cast<size_t>(shape.tokens * shape.tokens));
  return scratch;
}

void split(const AttentionShape& shape, const float* qkv, Head& head) {
  for (int64_t t = 0; t < shape.tokens; ++t, qkv += 3 * shape.heads * shape.channels)
    for (int64_t c = 0; c < shape.channels; ++c) {
      const int64_t i = t * shape.channels + c;
      head.query[i] = qkv[3 * c];
      head.key[i] = qkv[3 * c + 1];
      head.value[i] = qkv[3 * c + 2];
    }
}

void join(const AttentionShape& shape, const Head& head, float* qkv) {
  for (int64_t t = 0; t < shape.tokens; ++t, qkv += 3 * shape.heads * shape.channels)
    for (int64_t c = 0; c < shape.channels; ++c) {
      const int64_t i = t * shape.channels + c;
      qkv[3 * c] = head.query[i];
      qkv[3 * c + 1] = head.key[i];
      qkv[3 * c + 2] = head.value[i];
    }
}

constexpr auto kSum = [](auto a, auto b) EQUIPOISE_LAMBDA_INLINE { return a + b; };

/// weights = softmax(scale logits) along rows.
EQUIPOISE_SIMD void softmax_rows(int64_t size, float scale, const float* logits, float* weights) {
  for (int64_t row = 0; row < size; ++row, logits += size, weights += size) {
    const float largest = reduced(
        size, logits[0],
        [&]<class V>(V, int64_t i) EQUIPOISE_LAMBDA_INLINE { return load<V>(logits + i); },
        [](auto a, auto b) EQUIPOISE_LAMBDA_INLINE { return a > b ? a : b; });
    const float sum = reduced(
        size, 0.0f,
        [&]<class V>(V, int64_t i) EQUIPOISE_LAMBDA_INLINE {
          const V weight = exponential<V>((load<V>(logits + i) - largest) * scale);
          store(weights + i, weight);
          return weight;
        },
        kSum);
    const float inverse = 1 / sum;
    for (int64_t i = 0; i < size; ++i) weights[i] *= inverse;
  }
}

/// gradient <- scale weights (gradient - sum_k weights gradient), row by row: from softmax's output
/// to its input.
EQUIPOISE_SIMD void softmax_rows_backward(int64_t size, float scale, const float* weights,
                                          float* gradient) {
  for (int64_t row = 0; row < size; ++row, gradient += size, weights += size) {
    const float sum = reduced(
        size, 0.0f,
        [&]<class V>(V, int64_t i)
            EQUIPOISE_LAMBDA_INLINE { return load<V>(weights + i) * load<V>(gradient + i); },
        kSum);
    for (int64_t i = 0; i < size; ++i) gradient[i] = scale * weights[i] * (gradient[i] - sum);
  }
}

/// body(index of image and head, offset of the head in qkv, offset of it in out)
template <class Body>
void over_heads(const AttentionShape& shape, Body body) {
  const int64_t width = shape.heads * shape.channels;
  for (int64_t image = 0; image < shape.batch; ++image)
    for (int64_t head = 0; head < shape.heads; ++head) {
      const int64_t offset = image * shape.tokens * width + head * shape.channels;
      body(image * shape.heads + head, 3 * offset, offset);
    }
}

float scale_of(const AttentionShape& shape) {
  return 1 / std::sqrt(static_cast<float>(shape.channels));
}

}  // namespace

void attention_forward(const AttentionShape& shape, const float* qkv, float* out, float* weights) {
  const int64_t tokens = shape.tokens, channels = shape.channels, width = shape.heads * channels;
  Scratch& scratch = scratch_for(shape);
  Head& head = scratch.values;
  over_heads(shape, [&](int64_t index, int64_t in_offset, int64_t out_offset) {
    float* mix = weights + index * tokens * tokens;
    split(shape, qkv + in_offset, head);
    multiply({tokens, tokens, channels}, {head.query.data(), channels},
             {head.key.data(), channels, true}, scratch.logits.data(), tokens);
    softmax_rows(tokens, scale_of(shape), scratch.logits.data(), mix);
    multiply({tokens, channels, tokens}, {mix, tokens}, {head.value.data(), channels},
             out + out_offset, width);
  });
}

void attention_backward(const AttentionShape& shape, const float* qkv, const float* weights,
                        const float* grad_out, float* grad_qkv) {
  const int64_t tokens = shape.tokens, channels = shape.channels, width = shape.heads * channels;
  Scratch& scratch = scratch_for(shape);
  const Head& head = scratch.values;
  Head& gradient = scratch.gradients;
  float* grad_logits = scratch.logits.data();
  over_heads(shape, [&](int64_t index, int64_t in_offset, int64_t out_offset) {
    const float *mix = weights + index * tokens * tokens, *grad = grad_out + out_offset;
    split(shape, qkv + in_offset, scratch.values);
    multiply({tokens, channels, tokens}, {mix, tokens, true}, {grad, width}, gradient.value.data(),
             channels);
    multiply({tokens, tokens, channels}, {grad, width}, {head.value.data(), channels, true},
             grad_logits, tokens);
    softmax_rows_backward(tokens, scale_of(shape), mix, grad_logits);
    multiply({tokens, channels, tokens}, {grad_logits, tokens}, {head.key.data(), channels},
             gradient.query.data(), channels);
    multiply({tokens, channels, tokens}, {grad_logits, tokens, true}, {head.query.data(), channels},
             gradient.key.data(), channels);
    join(shape, gradient, grad_qkv + in_offset);
  });
}

}  // namespace equipoise::nets::kernels
