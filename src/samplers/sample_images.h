// Many images, one seed each, on several threads, with bits that depend on neither.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "core/progress.h"
#include "diffusion/denoiser.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {

/// Which images to make.
struct SampleRequest {
  at::Tensor seeds;                 ///< [N] int64, CPU: one image each
  std::vector<int64_t> item_shape;  ///< {C,H,W} or {D}
  uint64_t seed_base = 0;
  at::Tensor class_labels;  ///< [N, label_dim] float; undefined = unconditional
  /// [N, item_shape…]; undefined = drawn from stream (seed_base, kLatent, seed).
  at::Tensor latents;
};

/// How to make them. Only chunk_size may change bits (of network results, in the last place).
struct SampleOptions {
  /// Images a worker carries at once; rounded up to a multiple of chunk_size.
  int64_t batch_size = 64;
  int64_t num_threads = 1;  ///< workers, each computing on one thread
  /// Images of one network call, the last call padded; larger for accelerators.
  int64_t chunk_size = 16;
  at::Device device = at::kCPU;  ///< where the denoiser lives
};

/// Samples [N, item_shape…] float32 on the CPU, row i for seeds[i].
///
/// Every network call has exactly chunk_size rows, so no result depends on batch_size or
/// num_threads.
/// Stops early, returning only the first rows, when progress.stop_requested().
/// Throws: UsageError when shapes disagree; whatever the denoiser throws.
at::Tensor sample_images(const diffusion::Denoiser& denoiser, const Sampler& sampler,
                         const SampleRequest& request, const SampleOptions& options,
                         Progress& progress);

/// clip(127.5 x + 128, 0, 255) as uint8 (rounds towards zero).
at::Tensor to_uint8(const at::Tensor& images);

}  // namespace equipoise::samplers
