// Takes over weights of the EDM release's networks (DDPM++, NCSN++, ADM) under their own names.
//
// The weights are a safetensors file (tools/edm_to_safetensors.py makes one from a pickle or a
// state dict). What the tensors do not tell is read from its metadata or from a JSON file with the
// same three entries, objects or JSON strings:
//
//   precond    EDMPrecond | VPPrecond | VEPrecond | iDDPMPrecond
//   interface  {"img_resolution", "img_channels", "label_dim", "sigma_data"}
//   model      {"model_type": "SongUNet" | "DhariwalUNet", option: value, …}
//
// Only `precond` is needed: sizes, levels, blocks, attention, filters and label lengths are
// inferred from the tensors.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "diffusion/precondition.h"
#include "nets/state.h"

namespace equipoise::diffusion {

struct ImportOptions {
  /// JSON file that overrides the metadata; empty = metadata alone.
  std::filesystem::path config = {};
  /// What stands before "model.enc.…" in the tensors' names; empty = found by itself.
  std::string prefix = {};
};

/// Builds the network the weights belong to, loads them by name, and writes a model file
/// (model_file.h) to `out`.
///
/// Returns the config written. Dropout cannot be inferred: 0.1 unless given; it matters to further
/// training alone. Throws DataError when the file holds no such network or a tensor is missing,
/// unexpected or of another shape; UsageError when `precond` is not known or an option does not
/// exist.
ModelConfig import_edm(const std::filesystem::path& weights, const ImportOptions& options,
                       const std::filesystem::path& out);

/// The options of the network these tensors ("model.enc.…") belong to, as far as they tell. Exposed
/// for tests.
nets::NetworkConfig infer_network(const nets::NamedTensors& tensors, const std::string& where);
/// Resolution, channels and label length of the same.
nets::DataShape infer_shape(const nets::NamedTensors& tensors, const std::string& where);

}  // namespace equipoise::diffusion
