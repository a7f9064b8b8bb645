// Counter-based random numbers: one stream per (seed, purpose, image), so that no result depends on
// batch size, thread count or the order in which images are drawn, and a resumed run continues
// where it stopped.
#pragma once

#include <array>
#include <cstdint>

#include <torch/types.h>

#include "core/philox.h"

namespace equipoise {

/// What a stream is for. Values are part of the file format (a seed's meaning): append, never
/// renumber.
enum class Purpose : uint32_t {
  kInit = 1,     ///< network initialisation
  kShuffle = 2,  ///< order of a training set, one stream per epoch
  kSigma = 3,    ///< training noise levels
  kNoise = 4,    ///< training noise
  kDropout = 5,
  kAugment = 6,
  kLabelDropout = 7,
  kLatent = 8,       ///< starting noise of a sample
  kChurn = 9,        ///< noise added while sampling
  kSplit = 10,       ///< choice of a biased set and its reference
  kRatioTime = 11,   ///< noise levels of discriminator training
  kRatioNoise = 12,  ///< noise of discriminator training
  kBootstrap = 13,
  kClassChoice = 14,  ///< --class random
  kEvaluation = 15,   ///< noise used when a held-out loss is measured
  kToyData = 16,
  kClassifier = 17,  ///< everything random in classifier training
  kRejection = 18,   ///< uniforms that accept or reject a step of sampling
  kRenoise = 19,     ///< noise that sends a rejected image back
  kLabelNoise = 20,  ///< labels made wrong on purpose
};

/// Philox4x32-10: 128-bit counter, 64-bit key, 4 words a call.
std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, PhiloxKey key);

/// Key of the streams of one seed, purpose and part; the image's number goes into the counter.
PhiloxKey stream_key(uint64_t seed, Purpose purpose, uint32_t part = 0);

/// One independent stream of numbers, addressed by (seed, purpose, index, part).
///
/// `index` is the image (or item) number; `part` separates several uses within one image (a layer,
/// a step).
/// Copies are cheap and independent. Two streams with different addresses never overlap.
class RandomStream {
 public:
  RandomStream(uint64_t seed, Purpose purpose, uint64_t index = 0, uint32_t part = 0);
  uint32_t next();
  uint64_t next64();
  /// Uniform in (0, 1), 53 bits, never 0 or 1.
  double uniform();
  /// Standard normal (Box–Muller; two per pair of uniforms).
  double normal();
  /// Uniform in 0 … bound-1 without modulo bias. bound >= 1.
  uint64_t below(uint64_t bound);
  void fill_normal(float* out, int64_t count);
  void fill_uniform(float* out, int64_t count);

 private:
  std::array<uint32_t, 4> counter_;
  PhiloxKey key_;
  std::array<uint32_t, 4> block_{};
  int used_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// Standard normal tensor [indices.numel(), item_shape…] float32: row i comes from stream (seed,
/// purpose, indices[i], part) alone. indices: int64, on the CPU or a CUDA device, where the numbers
/// are then made (the same but for the last bits of their logarithms and cosines).
at::Tensor random_normal(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                         at::IntArrayRef item_shape, uint32_t part = 0);
/// The same with a part of its own for each row: indices and parts [indices.numel()] int64 on the
/// CPU.
at::Tensor random_normal(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                         at::IntArrayRef item_shape, const at::Tensor& parts);
/// The same with uniforms in (0, 1), equal everywhere.
at::Tensor random_uniform(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                          at::IntArrayRef item_shape, uint32_t part = 0);
/// A permutation of 0 … count-1 (Fisher–Yates) drawn from one stream.
at::Tensor random_permutation(RandomStream stream, int64_t count);

}  // namespace equipoise
