// The gradient of one number an image with respect to the image.
#pragma once

#include "core/libtorch.h"

namespace equipoise::guidance {

/// values [B] = f(x) and d values_i / d x_i in the shape of x, both constants. Images must not
/// depend on each other in f.
struct InputGradient {
  at::Tensor values;
  at::Tensor gradient;
};

template <class F>
InputGradient input_gradient(const at::Tensor& x, const F& f) {
  const at::AutoGradMode enable_grad(true);
  const at::Tensor input = x.detach().requires_grad_(true);
  const at::Tensor values = f(input);
  return {values.detach(), torch::autograd::grad({values.sum()}, {input}).front()};
}

}  // namespace equipoise::guidance
