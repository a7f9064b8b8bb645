// The operators of nets/ops.h that are ours on a CUDA device, as differentiable functions of float32
// images kept channels-last. In programs built without CUDA they handle nothing.
#pragma once

#include <torch/types.h>

#include "nets/ops.h"

namespace equipoise::nets::kernels::device {

/// Four axes, float32, on a CUDA device, channels a multiple of four and not more than 1024.
bool handles_group_norm(const at::Tensor& x);

/// kernels/device_group_norm.h on tensors; arguments as kernels::group_norm.
at::Tensor group_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NormModulation& modulation, int64_t groups, double eps, bool use_silu);

}  // namespace equipoise::nets::kernels::device
