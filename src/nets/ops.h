// Everything heavy a network computes, behind free functions: networks call these and nothing else.
// On a processor float32 images go through our own operators (kernels/cpu_ops.h), channels-last
// from the first convolution to the last; elsewhere, and as the twin that tests compare with, the
// bodies are LibTorch's operators.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "nets/network.h"

namespace equipoise::nets {

/// While one of these lives, nobody changes a network's weights: convolutions on a processor then
/// keep what they make of them from call to call. For sampling; may be nested, and used by several
/// threads at once.
class FrozenWeights {
 public:
  FrozenWeights();
  ~FrozenWeights();
  FrozenWeights(const FrozenWeights&) = delete;
  FrozenWeights& operator=(const FrozenWeights&) = delete;
};

/// Convolution with zero padding that keeps the size (odd kernels). x [B,Cin,H,W]; weight
/// [Cout,Cin,k,k]; bias [Cout] or undefined. `padding` overrides kernel/2 when not negative.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t padding = -1);

/// x W^T + b over the last axis. x […,in]; weight [out,in]; bias [out] or undefined.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// The same linear map at every position: x [B,Cin,T]; weight [Cout,Cin,1]; bias [Cout].
at::Tensor linear_over_channels(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias);

struct GroupNormSettings {
  int64_t groups = 32;
  double eps = 1e-5;
  bool use_silu = true;
};
/// What conditions a group norm: [B,C] each or undefined; scale and shift are given both or
/// neither.
struct NormModulation {
  at::Tensor offset = {};  ///< added to every pixel before the norm
  at::Tensor scale = {};
  at::Tensor shift = {};
};
/// SiLU( GN(x + offset) (1 + scale) + shift ), SiLU(x) = x sigmoid(x), optional. x [B,C,…]; weight,
/// bias [C].
at::Tensor group_norm_silu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const GroupNormSettings& settings,
                           const NormModulation& modulation = {});

/// (a + b) factor: the residual sum.
at::Tensor scaled_sum(const at::Tensor& a, const at::Tensor& b, double factor);

/// Single-head attention, softmax over keys in float32 or better: out_q = sum_k softmax_k( q . k /
/// sqrt(C) ) v_k. query, key, value [N,C,T] (several heads are folded into N); returns [N,C,T].
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value);

/// Attention of an image's positions to each other. qkv [B,3C,H,W], channel = (head, channel of the
/// head, q | k | v) as in the EDM release; returns [B,C,H,W]. `num_heads` divides C.
at::Tensor self_attention(const at::Tensor& qkv, int64_t num_heads);

/// Products of rows with images as they are stored: result[r][j] = sum_c rows[r][c] bytes[j][c].
/// rows [R,D] float32; bytes [N,D] uint8; returns [R,N]. Differentiable in the rows.
at::Tensor byte_products(const at::Tensor& rows, const at::Tensor& bytes);

/// The taps of a separable FIR filter: outer(taps, taps) / sum(taps)^2, [1,1,k,k].
/// Throws UsageError unless the taps are symmetric and even in number.
at::Tensor resample_kernel(const std::vector<double>& taps);
/// Halves both sides: `kernel` at stride 2, with zero padding unless `use_padding` is off. Taps
/// [1,1]: 2x2 mean.
at::Tensor downsample(const at::Tensor& x, const at::Tensor& kernel, bool use_padding = true);
/// Doubles both sides: the transpose of downsample times 4. Taps [1,1]: nearest neighbour.
at::Tensor upsample(const at::Tensor& x, const at::Tensor& kernel);

/// Sets elements to zero with probability p and scales the others to keep the mean.
///
/// Random: image i's mask comes from stream (randomness->seed, kDropout, image_numbers[i], layer)
/// alone, 16 bits an element, images [B,C,H,W] in the order of channels-last memory: p is rounded to
/// a multiple of 2^-16. Returns x itself when randomness is null or p is 0.
at::Tensor dropout(const at::Tensor& x, double p, const ForwardRandomness* randomness,
                   uint32_t layer);

/// Sets whole rows of labels [B,L] to zero with probability p (for classifier-free guidance).
///
/// Random: row i's choice comes from stream (randomness->seed, kLabelDropout, image_numbers[i]). As
/// dropout otherwise.
at::Tensor drop_labels(const at::Tensor& labels, double p, const ForwardRandomness* randomness);

}  // namespace equipoise::nets
