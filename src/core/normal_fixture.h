// Test only: normal numbers of fixed seeds.
#pragma once

#include <ATen/core/Tensor.h>

#include "core/random.h"

namespace equipoise {

/// `shape`, one stream an item (the first dimension).
inline at::Tensor normal_items(at::IntArrayRef shape, uint32_t part = 0, uint64_t seed = 1) {
  return random_normal(seed, Purpose::kNoise, at::arange(shape[0]), shape.slice(1), part);
}

}  // namespace equipoise
