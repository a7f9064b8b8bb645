// Takes over weights of guided-diffusion's U-Nets (ADM; iDDPM's have the same names) as denoisers.
//
// The weights are a safetensors file of the release's state dict (tools/adm_to_safetensors.py makes
// one). What its tensors do not tell stands in a JSON file under the release's flag names, with its
// defaults for those left out:
//
//   {"image_size": 64, "num_channels": 192, "num_res_blocks": 3, "attention_resolutions": "32,16,8",
//    "num_head_channels": 64, "learn_sigma": true, "class_cond": true, "resblock_updown": true,
//    "use_new_attention_order": true, "noise_schedule": "cosine", "dropout": 0.1}
//
// Lists may be JSON lists. Flags that change nothing about a trained network (use_fp16,
// use_checkpoint, use_kl, rescale_learned_sigmas, timestep_respacing) are read over.
#pragma once

#include <filesystem>

#include "diffusion/import_edm.h"

namespace equipoise::diffusion {

/// Builds the network the flags describe, loads the weights by name, and writes a model file
/// (model_file.h) to `out`.
///
/// Image channels and the number of classes follow from the tensors. Without channel_mult the
/// multipliers are the release's for image sizes 32, 64, 128, 256 and 512.
/// Returns the config written. Throws DataError when the file holds no such network or a tensor is
/// missing, unexpected or of another shape; UsageError when options.config is not given, a flag
/// does not exist, or a model is described that denoisers here cannot be (predict_xstart,
/// rescaled time steps).
ModelConfig import_adm(const std::filesystem::path& weights, const ImportOptions& options,
                       const std::filesystem::path& out);

}  // namespace equipoise::diffusion
