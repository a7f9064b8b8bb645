// Gradient checkpointing: memory for time.
#pragma once

#include <functional>
#include <vector>

#include <torch/types.h>

namespace equipoise::nets {

using Tensors = std::vector<at::Tensor>;
using RecomputedFunction = std::function<at::Tensor(const Tensors& inputs)>;

/// f(inputs), of which nothing but the inputs is kept: the backward pass computes f once more.
///
/// f must give the same values each time, and what it refers to must live until then; `parameters`
/// are what it uses besides. Gradients reach both, as if f had been called. Without autograd f is
/// just called. Not twice differentiable.
/// Source: Chen et al. 2016 (arXiv:1604.06174).
at::Tensor recomputed(const RecomputedFunction& f, const Tensors& inputs,
                      const Tensors& parameters);

}  // namespace equipoise::nets
