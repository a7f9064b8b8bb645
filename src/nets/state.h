// The named tensors of a network (parameters and buffers) as a plain map, to save, average and
// restore them.
#pragma once

#include <map>
#include <string>

#include "core/libtorch.h"

namespace equipoise::nets {

using NamedTensors = std::map<std::string, at::Tensor>;

/// All parameters and buffers by their dotted names. Detached, but sharing memory with the module.
NamedTensors state_of(const torch::nn::Module& module);

/// Copies `tensors` into the module's parameters and buffers of the same names (any float type is
/// converted). Throws DataError naming `where` and the first few tensors that are missing,
/// unexpected or of another shape.
void load_state(torch::nn::Module& module, const NamedTensors& tensors, const std::string& where);

/// Number of parameters, buffers not counted.
int64_t num_parameters(const torch::nn::Module& module);

}  // namespace equipoise::nets
