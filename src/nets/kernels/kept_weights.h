// What convolutions make of their weights, kept while the weights stay as they are. For packed
// bfloat16 weights, half the size of the weights: a third of a network's time on a single image.
// Winograd's, four times their size, take longer to read than to make again.
#pragma once

#include <cstdint>
#include <functional>

#include <torch/types.h>

namespace equipoise::nets::kernels {

/// What `make(destination)` writes, `size` bytes, as a tensor of bytes; made once a weight and
/// `purpose`, and kept. Undefined where nothing is kept: outside of nets::FrozenWeights, for weights
/// that are no parameters (they may be gone after the call), and when there is no room left.
at::Tensor kept_weights(const at::Tensor& weight, uint64_t purpose, int64_t size,
                        const std::function<void(void*)>& make);

}  // namespace equipoise::nets::kernels
