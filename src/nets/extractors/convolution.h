// Convolutions of fixed networks: published weights with everything linear folded in, and the
// paddings they were trained with.
#pragma once

#include <cstdint>

#include <torch/types.h>

namespace equipoise::nets {

enum class Padding {
  kValid,  ///< none: only whole windows
  /// ceil(size / stride) windows, as TensorFlow's 'same': the missing rows are split between both
  /// sides, an odd one going to the bottom and the right.
  kSame,
};

/// y = W * x + b. weight [Cout,Cin/groups,kh,kw]; bias [Cout]; the number of groups follows from x.
struct Convolution {
  at::Tensor weight, bias;
  int64_t stride = 1;
  Padding padding = Padding::kSame;

  at::Tensor operator()(const at::Tensor& x) const;
};

/// The convolution followed by y scale + shift, as one; scale, shift [Cout]. An undefined bias
/// counts as 0.
Convolution folded(const Convolution& convolution, const at::Tensor& scale,
                   const at::Tensor& shift);

/// Largest value of every window; what lies beyond the edge is never the largest.
at::Tensor max_pool(const at::Tensor& x, int64_t kernel, int64_t stride, Padding padding);

}  // namespace equipoise::nets
