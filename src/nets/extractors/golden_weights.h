// Test only: the file that tests/golden/extractors_golden.py wrote, and the weights it made them
// with.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/json_lines.h"
#include "io/safetensors.h"
#include "nets/extractors/published_weights.h"

namespace equipoise::nets {

inline const io::SafetensorsFile& golden_file() {
  static const io::SafetensorsFile file = io::read_safetensors(
      std::filesystem::path(EQUIPOISE_SOURCE_DIR) / "tests/golden/extractors.safetensors");
  return file;
}
inline const at::Tensor& golden(const std::string& name) {
  return golden_file().tensors.at(name);
}

/// {tensor's name: shape} as the published state dict has them.
inline std::map<std::string, std::vector<int64_t>> golden_shapes(const std::string& network) {
  return io::parse_json(golden_file().metadata.at(network + ".shapes"), network);
}

/// In [-1, 1): `uniform` of that script.
inline double formula_number(uint32_t position, uint32_t rank) {
  uint32_t x = position * 0x9E3779B1u + rank * 0x85EBCA6Bu;
  x ^= x >> 15;
  x *= 0x2C1B3C6Du;
  x ^= x >> 12;
  x *= 0x297A2D39u;
  x ^= x >> 15;
  return x / 2147483648.0 - 1;
}

/// `formula_weights` of that script.
inline at::Tensor golden_weight(const std::string& name, const std::vector<int64_t>& shape,
                                uint32_t rank) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
  const int64_t count = tensor.numel();
  double offset = 0, factor = 0.1;
  if (name.ends_with("num_batches_tracked")) {
    factor = 0;
  } else if (name.ends_with("running_var")) {
    offset = 1, factor = 0.5;
  } else if (name.ends_with("bn.weight") || name.ends_with("scale.weights")) {
    offset = 1, factor = 0.2;
  } else if (name.find(".lin") != std::string::npos) {
    factor = 1;
  } else if (shape.size() > 1) {
    factor = std::sqrt(6.0 / static_cast<double>(count / shape[0]));
  }
  float* out = tensor.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i)
    out[i] =
        static_cast<float>(offset + factor * formula_number(static_cast<uint32_t>(i + 1), rank));
  return name.find(".lin") != std::string::npos ? tensor.abs() : tensor;
}

inline NamedTensors golden_weights(const std::string& network) {
  NamedTensors weights;
  uint32_t rank = 0;
  for (const auto& [name, shape] : golden_shapes(network))
    weights[name] = golden_weight(name, shape, rank++);
  return weights;
}

}  // namespace equipoise::nets
