// Everything heavy a network computes, behind free functions: networks call these and nothing else,
// so that faster kernels can replace the bodies without touching a network.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "nets/network.h"

namespace equipoise::nets {

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
/// SiLU( GN(x) (1 + scale) + shift ), SiLU(x) = x sigmoid(x); scale and shift [B,C] are given both
/// or neither, SiLU is optional. x [B,C,…]; weight, bias [C].
at::Tensor group_norm_silu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const GroupNormSettings& settings, const at::Tensor& scale = {},
                           const at::Tensor& shift = {});

/// Single-head attention, softmax over keys in float32 or better: out_q = sum_k softmax_k( q . k /
/// sqrt(C) ) v_k. query, key, value [N,C,T] (several heads are folded into N); returns [N,C,T].
at::Tensor attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value);

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
/// alone, 16 bits an element: p is rounded to a multiple of 2^-16. Returns x itself when randomness
/// is null or p is 0.
at::Tensor dropout(const at::Tensor& x, double p, const ForwardRandomness* randomness,
                   uint32_t layer);

/// Sets whole rows of labels [B,L] to zero with probability p (for classifier-free guidance).
///
/// Random: row i's choice comes from stream (randomness->seed, kLabelDropout, image_numbers[i]). As
/// dropout otherwise.
at::Tensor drop_labels(const at::Tensor& labels, double p, const ForwardRandomness* randomness);

}  // namespace equipoise::nets
