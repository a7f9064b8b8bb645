// Which noise levels a denoiser is trained at, and how much each counts.
//
//   edm   log sigma ~ N(p_mean, p_std^2)              lambda = (sigma^2 + sigma_data^2) / (sigma sigma_data)^2
//   vp    tau uniform on [1e-5, 1], sigma(tau)        lambda = 1 / sigma^2
//   ve    log sigma uniform on [log 0.02, log 100]    lambda = 1 / sigma^2
//
// Source: Karras et al. 2022 (arXiv:2206.00364), table 1. Use edm unless an older model is to be
// repeated.
#pragma once

#include <string>

#include "core/fields.h"
#include "core/random.h"
#include "diffusion/training_batch.h"

namespace equipoise::diffusion {

/// The law of the training noise.
struct NoiseLaw {
  std::string law = "edm";
  double p_mean = -1.2;
  double p_std = 1.2;

  void fields(FieldVisitor& f) {
    f.choice("law", law, {"edm", "vp", "ve"},
             "distribution of the training noise levels and their loss weight");
    f("p_mean", p_mean, "", "mean of log sigma (edm)", {-20, 20});
    f("p_std", p_std, "", "standard deviation of log sigma (edm)", {0, 20});
  }

  /// Noise levels [B] float32, item i from stream (seed, purpose, image_numbers[i]) alone.
  /// image_numbers: int64, CPU.
  at::Tensor draw(uint64_t seed, const at::Tensor& image_numbers,
                  Purpose purpose = Purpose::kSigma) const;
  /// lambda(sigma), the shape and type of sigma.
  at::Tensor loss_weight(const at::Tensor& sigma, double sigma_data) const;
};

/// Draws sigma and n for a batch: x = y + sigma n.
///
/// Shapes: clean [B,…] float32; image_numbers [B] int64 on the CPU. Everything returned is on
/// clean's device.
/// Random: item i draws from streams kSigma and kNoise of image_numbers[i]; same numbers for any
/// batch split.
/// Throws: UsageError when the counts disagree.
NoisyBatch make_noisy(const at::Tensor& clean, const at::Tensor& image_numbers, uint64_t seed,
                      const NoiseLaw& law, double sigma_data);

}  // namespace equipoise::diffusion
