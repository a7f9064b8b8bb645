// A denoiser with any number of guidance terms: what solvers walk on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <torch/types.h>

#include "diffusion/denoiser.h"
#include "diffusion/guidance.h"

namespace equipoise::diffusion {

/// What is known of the clean image behind a noisy one.
struct Estimate {
  /// D(x; sigma) and what terms that compare denoisers add to it, float64.
  at::Tensor denoised;
  /// sigma^2 times the sum of all other terms, float64; undefined when there is none.
  at::Tensor shift;
  /// Share of log beta in the log variance of a reverse step, within [0, 1]; undefined unless the
  /// model learned it.
  at::Tensor variance_share;

  /// D + shift.
  at::Tensor guided() const { return shift.defined() ? denoised + shift : denoised; }
};

/// Rows computed so far, those that fill up a chunk left out.
struct NetworkCalls {
  int64_t denoiser = 0;  ///< second calls of classifier-free guidance included
  int64_t guidance = 0;  ///< of the networks of terms, for their direction
};

/// D_guided(x; sigma) = D(x; sigma) + sigma^2 sum_k c_k(x, sigma).
///
/// With chunk_size > 0 the network and the terms are only ever called with that many rows, so that
/// no image depends on how many others are computed beside it. Keeps references: denoiser and terms
/// must outlive it. May be used by several threads at once.
class GuidedDenoiser {
 public:
  using Terms = std::vector<std::shared_ptr<const Guidance>>;

  /// Implicit: any denoiser is a guided one without terms.
  GuidedDenoiser(const Denoiser& denoiser) : denoiser_(denoiser) {}
  GuidedDenoiser(const Denoiser& denoiser, Terms terms, int64_t chunk_size = 0)
      : denoiser_(denoiser), terms_(std::move(terms)), chunk_size_(chunk_size) {}

  /// Throws: NumericError when a term is not finite, naming the term, the noise level and the image.
  Estimate estimate(const Visit& visit) const;
  /// Churn the terms want, [B] float64 with NaN where none wants any; undefined when none has a
  /// wish. The largest wish wins.
  at::Tensor wanted_churn(const Visit& visit) const;

  const Denoiser& denoiser() const { return denoiser_; }
  int64_t chunk_size() const { return chunk_size_; }
  NetworkCalls calls() const { return {.denoiser = denoiser_calls_, .guidance = guidance_calls_}; }

 private:
  Estimate estimate_chunk(const Visit& visit) const;
  void count(const Visit& visit) const;

  const Denoiser& denoiser_;
  Terms terms_;
  int64_t chunk_size_ = 0;
  mutable std::atomic<int64_t> denoiser_calls_ = 0, guidance_calls_ = 0;
};

}  // namespace equipoise::diffusion
