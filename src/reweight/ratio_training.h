// The law of discriminator training: which noise levels and noise an item sees, and its loss. The
// loop is the trainer's.
//
//   L = E_t [ 1/2 E_ref -log d(z_t, t) + 1/2 E_bias -log(1 - d(z_t, t)) ],   z_t = a x + sqrt(1 - a^2) n
//
// At its minimum logit d = log p_data^t - log p_bias^t when a batch holds as many reference as
// biased images.
#pragma once

#include <cstdint>
#include <string>

#include <torch/types.h>

#include "diffusion/noise_law.h"
#include "nets/discriminator.h"

namespace equipoise::reweight {

/// Which inputs a discriminator is trained on.
struct RatioLaw {
  bool time_dependent = true;  ///< on noised images at all levels; false = on clean images only
  /// How noise levels are drawn: "log_uniform_sigma" or "uniform_time" (diffusion::RatioTimeLaw),
  /// or "denoiser", the law of `denoiser_noise`, which shows the discriminator the levels at which
  /// the denoiser's training will ask it.
  std::string time_law = "log_uniform_sigma";
  /// Time value shown to the network: "linear" or "cosine" (diffusion::TimeMap).
  std::string time_map = "linear";
  diffusion::NoiseLaw denoiser_noise = {};
};

/// Images of both sets with the addresses of their random numbers.
struct RatioItems {
  at::Tensor clean;          ///< [B,…] float32 in [-1, 1]
  at::Tensor labels;         ///< [B], 1 = reference, 0 = biased
  at::Tensor image_numbers;  ///< [B] int64 on the CPU: running numbers in discriminator training
  /// [B,label_dim] float, for discriminators within classes; undefined for others.
  at::Tensor class_labels = {};
};

/// What the network is shown.
struct RatioInput {
  at::Tensor z;     ///< a x + sqrt(1 - a^2) n, the shape and type of clean
  at::Tensor time;  ///< [B] float32
};

/// Whose random numbers an input is noised with: running item numbers of the training run, or the
/// fixed draw that held-out losses are measured on.
enum class RatioDraw { kTraining, kHeldOut };

/// Draws noise levels and noise. With law.time_dependent false: z = clean, time = 0, nothing drawn.
/// Random: item i draws from streams kRatioTime and kRatioNoise (held out: kEvaluation, parts 0 and
/// 1) of image_numbers[i] alone.
RatioInput make_ratio_input(const at::Tensor& clean, const at::Tensor& image_numbers, uint64_t seed,
                            const RatioLaw& law, RatioDraw draw = RatioDraw::kTraining);

/// Binary cross-entropy of each item [B], in nats, from the logit (never saturates). Differentiable
/// in the parameters.
/// Throws: UsageError when the counts disagree.
at::Tensor ratio_losses(nets::DiscriminatorNetwork& network, const RatioItems& items, uint64_t seed,
                        const RatioLaw& law);

/// Held-out cross-entropy in nats, half from each class whatever their numbers; ln 2 = knows
/// nothing.
///
/// Every call draws the same noise (streams kEvaluation of item numbers 0 … N-1), so snapshots
/// compare pairwise. Runs without autograd.
/// Throws: UsageError when a class is absent.
double heldout_bce(nets::DiscriminatorNetwork& network, const at::Tensor& clean,
                   const at::Tensor& labels, uint64_t seed, const RatioLaw& law,
                   const at::Tensor& class_labels = {});

}  // namespace equipoise::reweight
