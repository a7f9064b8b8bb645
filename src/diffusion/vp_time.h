// The two ways to name a noise level: sigma (variance exploding, x = y + sigma n) and VP time tau
// in [0, 1] (variance preserving, z = a x), which discriminators are trained in.
//
//   B(tau) = beta0 tau + (beta1 - beta0) tau^2 / 2      beta0 = 0.1, beta1 = 20
//   sigma(tau) = sqrt(exp(B) - 1)                       same signal-to-noise ratio
//   tau(sigma) = the inverse
//   a(sigma) = 1 / sqrt(1 + sigma^2) = exp(-B / 2)
//
// Source: Song et al. 2021 (arXiv:2011.13456), linear-beta VP; written so that nothing cancels at
// small noise.
#pragma once

#include <string>

#include <torch/types.h>

#include "core/random.h"

namespace equipoise::diffusion {

/// B(tau), the integral of beta from 0 to tau.
double vp_exponent(double time);
/// sigma(tau); 0 at 0, 152.167 at 1.
double vp_sigma(double time);
/// tau(sigma).
double vp_time(double sigma);
/// a(sigma), the VP mean coefficient: the network input is a x.
double vp_scale(double sigma);
/// Time of the cosine schedule (Nichol and Dhariwal 2021) with the same signal-to-noise ratio,
/// offset s = 0.008.
double vp_cosine_time(double sigma);

/// The same, element by element; result in the argument's type.
at::Tensor vp_exponent(const at::Tensor& time);
at::Tensor vp_sigma(const at::Tensor& time);
at::Tensor vp_time(const at::Tensor& sigma);
at::Tensor vp_scale(const at::Tensor& sigma);
at::Tensor vp_cosine_time(const at::Tensor& sigma);

/// Which time value a discriminator is shown at a noise level. Stored with its checkpoint: training
/// and use must agree.
enum class TimeMap { kLinear, kCosine };

/// "linear" or "cosine"; anything else is a UsageError naming both.
TimeMap parse_time_map(const std::string& name);
std::string to_string(TimeMap map);
/// Time shown to the network at noise level sigma [B].
at::Tensor network_time(TimeMap map, const at::Tensor& sigma);

/// How discriminator training draws its noise levels.
enum class RatioTimeLaw {
  /// log sigma uniform on [log sigma(1e-5), log sigma(1)]: importance sampling of lambda'(t) =
  /// beta(t) / (1 - exp(-B(t))), after which the cross-entropy is unweighted (Kim et al. 2023,
  /// arXiv:2211.17091).
  kLogUniformSigma,
  kUniformTime,  ///< t uniform on [1e-5, 1]
};

/// "log_uniform_sigma" or "uniform_time"; anything else is a UsageError naming both.
RatioTimeLaw parse_ratio_time_law(const std::string& name);
/// Noise levels [B] float64, item i from stream (seed, purpose, image_numbers[i]) alone.
/// image_numbers: [B] int64, CPU.
at::Tensor draw_ratio_sigma(RatioTimeLaw law, uint64_t seed, const at::Tensor& image_numbers,
                            Purpose purpose = Purpose::kRatioTime);

}  // namespace equipoise::diffusion
