// Samples of one model into a file: npz, or one PNG a seed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "pipeline/sampling_method.h"

namespace equipoise::pipeline {

struct SampleJob {
  std::filesystem::path model;
  std::filesystem::path out;  ///< FILE.npz, or a folder for PNG files 000000.png by seed
  std::vector<int64_t> seeds;
  SamplingMethod method;
  std::string classes;  ///< "", "K", "K,K,…" (repeated over the seeds) or "random"
  /// A .npy file, standard normal [N,C,H,W] float32; overrides noise by seed.
  std::optional<std::filesystem::path> latents;
  uint64_t seed_base = 0;
  int64_t batch_size = 64;
  int64_t num_workers = 2;
  bool as_float = false;  ///< float32 NCHW, neither clipped nor rounded
  std::string device = "cpu";
};

/// Draws the samples and writes them. npz: `arr_0` uint8 [N,H,W,C] (or float32 [N,C,H,W], or [N,D]
/// for vectors) and `arr_1` int64 labels when conditional. Beside them the recipe
/// (docs/formats/samples.md): FILE.json, or sampling.json in the folder of PNG files, which is also
/// returned.
/// Throws UsageError for classes an unconditional model lacks, latents of another shape; DataError
/// for a damaged model; what `prepare` throws.
nlohmann::json sample_model(const SampleJob& job, Progress& progress);

/// Where the recipe of such samples lies.
std::filesystem::path recipe_file(const std::filesystem::path& out);

/// Writes samples [N,C,H,W] or [N,D] float32 as described above; labels may be undefined.
void write_samples(const std::filesystem::path& out, const at::Tensor& samples,
                   const at::Tensor& labels, const std::vector<int64_t>& seeds, bool as_float);

}  // namespace equipoise::pipeline
