// 3x3 convolution, stride 1, zero padding 1, by Winograd's minimal filtering F(4x4, 3x3): a quarter
// of the multiplications.
//
//   Y = A^T [ (G g G^T) * (B^T d B) ] A      per 4x4 tile of the output, d the 6x6 patch of the input around it
//
// The elementwise product, summed over input channels, is 36 matrix products. Backward passes are
// the adjoint of the same three transforms. Source: Lavin and Gray 2016 (arXiv:1509.09308). Error:
// about 1e-6 relative, that of float32 arithmetic.
//
// Layout: images NHWC (channels innermost), weights [Cout,Cin,3,3] as in the state dict. All on the
// calling thread; scratch memory is kept a thread and grows to the largest block met (about two
// megabytes plus the transformed weights).
#pragma once

#include <cstdint>

namespace equipoise::nets::kernels {

struct ConvShape {
  int64_t batch, height, width, in_channels, out_channels;
};

/// y [N,H,W,Cout] = conv(x [N,H,W,Cin], weight) + bias [Cout] (or null).
void winograd_forward(const ConvShape& shape, const float* x, const float* weight,
                      const float* bias, float* y);

/// Gradients of a scalar loss L given dL/dy. Those whose pointer is null are not computed; the
/// others are overwritten.
struct ConvGradients {
  float* x = nullptr;       ///< [N,H,W,Cin]
  float* weight = nullptr;  ///< [Cout,Cin,3,3]
  float* bias = nullptr;    ///< [Cout]
};
/// x may be null when the weight's gradient is not asked for.
void winograd_backward(const ConvShape& shape, const float* x, const float* weight,
                       const float* grad_y, const ConvGradients& gradients);

}  // namespace equipoise::nets::kernels
