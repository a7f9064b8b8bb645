// The operators of nets/ops.h on a processor, as differentiable functions of float32 images kept
// channels-last.
//
// ops.h asks `handles`, and uses its LibTorch twin of the operator where the answer is no (other
// devices, float64, odd shapes). Layout: every result is a [B,C,H,W] tensor in channels-last
// memory; inputs in another layout are brought into it. Gradients cannot be differentiated again
// (create_graph).
#pragma once

#include <torch/types.h>

#include "nets/kernels/dropout.h"
#include "nets/ops.h"

namespace equipoise::nets::kernels {

/// Whether images like x are ours: four axes, float32, in a processor's memory.
bool handles(const at::Tensor& x);
/// Whether this convolution is: 3x3 with padding 1 or 1x1 with none.
bool handles_convolution(const at::Tensor& x, const at::Tensor& weight, int64_t padding);

/// Whether rows like these are: two axes, float32, in a processor's memory.
bool handles_rows(const at::Tensor& rows);

/// x [B,Cin,H,W]; weight [Cout,Cin,k,k]; bias [Cout] or undefined.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

/// Whether it is one of those that have a bfloat16 kernel here (kernels/bf16_conv.h), and that
/// kernel: bfloat16 products, float32 images.
bool handles_narrow_convolution(const at::Tensor& x, const at::Tensor& weight, int64_t padding);
at::Tensor narrow_convolution(const at::Tensor& x, const at::Tensor& weight,
                              const at::Tensor& bias);

/// kernels/group_norm.h on tensors. weight, bias [C]; offset, scale, shift [B,C] or undefined.
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NormModulation& modulation, int64_t groups, double eps, bool use_silu);

/// kernels/attention.h on tensors. qkv [B,3C,H,W] -> [B,C,H,W].
at::Tensor self_attention(const at::Tensor& qkv, int64_t num_heads);

/// (a + b) factor in one pass.
at::Tensor scaled_sum(const at::Tensor& a, const at::Tensor& b, double factor);

/// kernels/dropout.h on tensors: elements in the order of channels-last memory. image_numbers [B]
/// int64 on the CPU.
at::Tensor dropout(const at::Tensor& x, const at::Tensor& image_numbers, const DropoutLaw& law);

/// kernels/byte_rows.h on tensors. rows [R,D]; bytes [N,D] uint8 -> [R,N].
at::Tensor byte_products(const at::Tensor& rows, const at::Tensor& bytes);

}  // namespace equipoise::nets::kernels
