// The noise schedules of discrete-time models (DDPM, iDDPM, ADM): T steps of variance-preserving
// noise, and what a reverse step along some of them is made of.
//
//   x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps,   abar_t = prod_{i<=t} (1 - beta_i),   t = 0 … T-1
//
//   linear   beta_t in equal steps from 0.1/T to 20/T (1e-4 to 0.02 at T = 1000)
//   cosine   beta_t = min(1 - f((t+1)/T) / f(t/T), 0.999),   f(u) = cos^2((u + 0.008)/1.008 · pi/2)
//
// In the scale of all denoisers here x_t / sqrt(abar_t) has noise level sigma_t = sqrt((1 -
// abar_t)/abar_t). Tables are float64 on the CPU.
// Sources: Ho et al. 2020 (arXiv:2006.11239); Nichol and Dhariwal 2021 (arXiv:2102.09672).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <torch/types.h>

namespace equipoise::diffusion {

enum class BetaLaw { kLinear, kCosine };

struct DdpmSchedule {
  BetaLaw law = BetaLaw::kLinear;
  int64_t num_steps = 1000;
};

/// "ddpm_linear_1000", the schedule's name as a preconditioning.
std::string to_string(const DdpmSchedule& schedule);
/// The schedule of such a name; nothing for any other.
std::optional<DdpmSchedule> parse_ddpm_schedule(const std::string& name);

/// beta_t, [T]. Throws UsageError unless the schedule has two steps or more and every beta is below
/// 1 (linear: more than 20 steps).
at::Tensor ddpm_betas(const DdpmSchedule& schedule);

/// Numbers of the steps kept when a schedule of `num_steps` is walked in `num_kept`, rising: k
/// (T-1)/(S-1) to the nearest whole number, halves to the even one. [S] int64.
/// Throws UsageError unless 2 <= num_kept <= num_steps.
at::Tensor respaced_steps(int64_t num_steps, int64_t num_kept);

/// Some steps of a schedule, walked as one of their own. All [S].
struct DdpmChain {
  at::Tensor steps;               ///< int64, rising: their numbers in the whole schedule
  at::Tensor alpha_bar;           ///< abar there, unchanged
  at::Tensor previous_alpha_bar;  ///< abar one kept step below; 1 for the first
  at::Tensor beta;                ///< 1 - alpha_bar / previous_alpha_bar

  /// sqrt((1 - abar)/abar).
  at::Tensor sigma() const;
};

DdpmChain ddpm_chain(const DdpmSchedule& schedule);
DdpmChain ddpm_chain(const DdpmSchedule& schedule, int64_t num_kept);

/// Mean of x_{i-1} given x_i and x_0:
///
///   sqrt(abar_{i-1}) beta_i / (1 - abar_i) x_0 + (1 - abar_{i-1}) sqrt(1 - beta_i) / (1 - abar_i) x_i
///
/// Source: Ho et al. 2020, Eq. 7. Shapes: index [B] int64, positions in the chain; clean = x_0 and
/// noisy = x_i (variance-preserving scale) [B,…]; returns their shape and type.
at::Tensor ddpm_posterior_mean(const DdpmChain& chain, const at::Tensor& index,
                               const at::Tensor& clean, const at::Tensor& noisy);

/// A variance of reverse steps that is not learned.
enum class FixedVariance {
  kLarge,  ///< beta_i; right for data of unit variance
  kSmall,  ///< beta~_i = beta_i (1 - abar_{i-1}) / (1 - abar_i); right for a single image
};

/// Its logarithm, [S]. The first step, where beta~ is 0, takes beta~ of the second, whichever the
/// variance: it adds no noise anyway.
at::Tensor ddpm_log_variance(const DdpmChain& chain, FixedVariance variance);

/// s log beta_i + (1 - s) log beta~_i, with beta~_0 replaced as above (beta_0 is not).
///
/// Source: Nichol and Dhariwal 2021, Eq. 15. Shapes: index [B] int64; share = s [B,…]; returns its
/// shape and type.
at::Tensor ddpm_learned_log_variance(const DdpmChain& chain, const at::Tensor& index,
                                     const at::Tensor& share);

}  // namespace equipoise::diffusion
