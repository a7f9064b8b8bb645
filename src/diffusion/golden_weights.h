// Test only: the weights that tests/golden/adm_unet_golden.py gives its networks.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "nets/state.h"

namespace equipoise::diffusion {

/// `uniform_numbers` of that script.
inline at::Tensor golden_uniform(uint32_t first, int64_t count) {
  at::Tensor numbers = at::empty({count}, at::kDouble);
  for (int64_t i = 0; i < count; ++i) {
    uint32_t h = first + static_cast<uint32_t>(i) + 1;
    h ^= h >> 16;
    h *= 0x85EBCA6Bu;
    h ^= h >> 13;
    h *= 0xC2B2AE35u;
    h ^= h >> 16;
    numbers.data_ptr<double>()[i] = h * 0x1p-31 - 1;
  }
  return numbers;
}

/// `formula_weights` of that script: float32 tensors of the given shapes {name: [sizes]}.
inline nets::NamedTensors golden_weights(const nlohmann::json& shapes) {
  nets::NamedTensors weights;
  uint32_t first = 0;
  for (const auto& [name, sizes] : shapes.items()) {  // in the order of their names
    const auto shape = sizes.get<std::vector<int64_t>>();
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    at::Tensor values = golden_uniform(first, count);
    first += static_cast<uint32_t>(count);
    if (shape.size() > 1)
      values = values * std::sqrt(3 / static_cast<double>(count / shape[0]));
    else
      values = values / 5 + (name.ends_with(".weight") ? 1 : 0);
    weights[name] = values.to(at::kFloat).reshape(shape);
  }
  return weights;
}

}  // namespace equipoise::diffusion
