// Many images, one seed each, on several threads, with bits that depend on neither.
#pragma once

#include <cstdint>
#include <vector>

#include <torch/types.h>

#include "core/progress.h"
#include "diffusion/guided_denoiser.h"
#include "samplers/rejection.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {

/// Which images to make.
struct SampleRequest {
  at::Tensor seeds;                 ///< [N] int64, CPU: one image each
  std::vector<int64_t> item_shape;  ///< {C,H,W} or {D}
  uint64_t seed_base = 0;
  at::Tensor class_labels = {};  ///< [N, label_dim] float; undefined = unconditional
  /// [N, item_shape…]; undefined = drawn from stream (seed_base, kLatent, seed).
  at::Tensor latents = {};
};

/// How to make them. Only chunk_size may change bits (of network results, in the last place).
struct SampleOptions {
  /// Images a worker carries at once; rounded up to a multiple of rows_per_call().
  int64_t batch_size = 64;
  int64_t num_threads = 1;  ///< workers, each computing on one thread; one on a device
  /// Images of one network call, the last call padded; 0 = 16 on a processor, 128 on a device.
  int64_t chunk_size = 0;
  at::Device device = at::kCPU;  ///< where the denoiser lives

  int64_t rows_per_call() const {
    if (chunk_size > 0) return chunk_size;
    return device.is_cpu() ? 16 : 128;
  }
};

struct SampleResult {
  at::Tensor images;  ///< [N, item_shape…] float32 on the CPU, row i for seeds[i]
  /// [N] int64, evaluations by the solver spent on each image, those of discarded attempts
  /// included, and those of the attempt that succeeded.
  at::Tensor total_calls, last_calls;
  diffusion::NetworkCalls network_calls;  ///< rows of all images, warm-up left out
  RejectionCounts rejection;              ///< empty without rejection
  /// Share of a worker's places that were taken, on average over its steps while images were
  /// waiting; 1 when none ever waited.
  double occupancy = 1;
};

/// Samples images. Each worker carries batch_size of them, every one at its own level; a place that
/// falls free is taken by the next seed at once.
///
/// Every network call has exactly rows_per_call() rows, so no result depends on batch_size, num_threads
/// or on which images were carried together. All seeds are seen to their end, however long an image
/// takes, so rejection does not favour quick ones.
/// Stops early, returning only the first rows, when progress.stop_requested().
/// Throws: UsageError when shapes disagree; whatever denoiser, terms and rejection throw.
SampleResult sample_images(const diffusion::Denoiser& denoiser, const Sampler& sampler,
                           const SampleRequest& request, const SampleOptions& options,
                           Progress& progress,
                           const diffusion::GuidedDenoiser::Terms& guidance = {},
                           const Rejection* rejection = nullptr);

/// Rejection constants of a solver on a (guided) denoiser: config.warmup_images images are sampled
/// without rejection, and their log-ratios noted at every level.
///
/// Random: images 2^40, 2^40 + 1, … of request.seed_base, so that none is an image of the run.
/// request.seeds and latents are not used; class labels are used in turn.
RejectionTables measure_rejection_tables(const diffusion::Denoiser& denoiser,
                                         const Sampler& sampler,
                                         const diffusion::DensityRatio& ratio,
                                         const RejectionConfig& config,
                                         const SampleRequest& request, const SampleOptions& options,
                                         Progress& progress,
                                         const diffusion::GuidedDenoiser::Terms& guidance = {});

/// clip(127.5 x + 128, 0, 255) as uint8 (rounds towards zero).
at::Tensor to_uint8(const at::Tensor& images);

}  // namespace equipoise::samplers
