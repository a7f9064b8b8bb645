// Solvers from noise to image. Every image has its own noise level and its own random stream, so
// any batch size and any order of slots gives the same images; guidance enters as a Denoiser that
// wraps another.
//
//   heun    second order, deterministic or with churn: the default, 2N-1 network calls for N steps
//   euler   first order, N network calls: for quick looks and for measuring the order of convergence
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "core/progress.h"
#include "core/registry.h"
#include "diffusion/denoiser.h"

namespace equipoise::samplers {

/// Starting noise and addresses of the images to make.
struct SamplingInput {
  /// [B,C,H,W] or [B,D] standard normal float64 (scaled by the first noise level inside).
  at::Tensor latents;
  /// [B] int64: image i draws churn noise from stream (seed_base, kChurn, seeds[i], step).
  at::Tensor seeds;
  uint64_t seed_base = 0;
  diffusion::Conditions conditions;
};

/// A solver of dx/dsigma = (x - D(x; sigma)) / sigma. State is float64 whatever the network
/// computes in.
class Sampler {
 public:
  static constexpr const char* kFamily = "sampler";
  virtual ~Sampler() = default;
  /// Returns samples, float64, the shape of input.latents. Runs without autograd.
  virtual at::Tensor sample(const diffusion::Denoiser& denoiser,
                            const SamplingInput& input) const = 0;
  /// Denoiser calls an image costs.
  virtual int64_t num_function_evaluations() const = 0;
};

struct SamplerPlugin {
  std::function<std::unique_ptr<Sampler>(const nlohmann::json& options)> make;
  std::function<std::string()> options_help;
};
using SamplerRegistry = Registry<Sampler, SamplerPlugin>;

}  // namespace equipoise::samplers
