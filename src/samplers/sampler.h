// Solvers from noise to image, one step at a time. Every image has its own place in the noise
// levels and its own random stream, so any batch size and any order of slots gives the same images;
// guidance enters through the denoiser that is walked on.
//
//   heun             second order, deterministic or with churn: the default, 2N-1 denoiser calls for N steps
//   euler            first order, N calls: for quick looks and for measuring the order of convergence
//   dpmpp_2m         second order from one call a step by remembering the step before; deterministic or stochastic
//   euler_ancestral  Euler steps with fresh noise; few steps, soft images
//   ddim             steps on the schedule of a discrete-time model; eta from deterministic to stochastic
//   ddpm             ancestral sampling on such a schedule, with fixed or learned variance
//   edm_family       the ODEs and SDEs of VP, VE and iDDPM in one solver, for comparing them
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/registry.h"
#include "diffusion/guided_denoiser.h"

namespace equipoise::samplers {

/// Images on their way, one row each. A row may stand at another level than its neighbours.
struct Walkers {
  at::Tensor x;      ///< [B,…] float64, in the images' own (VE) scale
  at::Tensor level;  ///< [B] int64: 0 = first noise level … num_steps = finished
  /// [B] int64: steps taken so far, repeated ones included. The noise of a step comes from stream
  /// (seed_base, kChurn, seeds[i], num_taken[i]).
  at::Tensor num_taken;
  /// [B,…] float64 and [B] int64: what a multistep solver keeps of the step before, and the level
  /// that was taken from (-1 = nothing kept). Undefined for others.
  at::Tensor memory = {};
  at::Tensor memory_level = {};
  at::Tensor seeds;  ///< [B] int64 on the CPU
  uint64_t seed_base = 0;
  diffusion::Conditions conditions = {};

  int64_t size() const { return x.size(0); }
};

/// Rows of walkers, in the given order ([n] int64 on the CPU).
Walkers pick(const Walkers& walkers, const at::Tensor& rows);

/// Starting noise and addresses of the images to make.
struct SamplingInput {
  /// [B,C,H,W] or [B,D] standard normal (scaled by the first noise level inside).
  at::Tensor latents;
  at::Tensor seeds;  ///< [B] int64 on the CPU
  uint64_t seed_base = 0;
  diffusion::Conditions conditions = {};
};

/// A solver. State is float64 whatever the network computes in. Stateless: may be used by several
/// threads at once.
class Sampler {
 public:
  static constexpr const char* kFamily = "sampler";
  virtual ~Sampler() = default;

  virtual int64_t num_steps() const = 0;
  /// The noise levels walked through, [num_steps + 1] float64, falling, the last one 0; within what
  /// the denoiser knows.
  /// Throws: UsageError when options and denoiser leave none.
  virtual at::Tensor levels(const diffusion::Denoiser& denoiser) const = 0;
  /// Moves every image from its level to the next; none may have finished. Without autograd.
  virtual void step(const diffusion::GuidedDenoiser& model, const at::Tensor& levels,
                    Walkers& walkers) const = 0;
  /// Denoiser calls of the step that starts at `level`.
  virtual int64_t calls_of_step(int64_t /*level*/) const { return 1; }
  /// Whether a step repeated from the same place goes somewhere else.
  virtual bool is_stochastic() const { return false; }
  /// Whether it raises an image's noise when a guidance term wants that.
  virtual bool takes_churn() const { return false; }

  /// Denoiser calls an image costs.
  int64_t num_function_evaluations() const;
  /// All steps of a batch: samples, float64, the shape of input.latents.
  at::Tensor sample(const diffusion::GuidedDenoiser& model, const SamplingInput& input) const;
};

struct SamplerPlugin {
  std::function<std::unique_ptr<Sampler>(const nlohmann::json& options)> make;
  std::function<std::string()> options_help;
};
using SamplerRegistry = Registry<Sampler, SamplerPlugin>;

/// Registers sampler `Member`, made from an `Options` struct that lists its fields.
template <class Member, class Options>
bool register_sampler(const MethodInfo& info) {
  return SamplerRegistry::instance().add(info,
                                         {.make =
                                              [](const nlohmann::json& json) {
                                                Options options;
                                                from_json(json, options, "sampler.options");
                                                return std::make_unique<Member>(options);
                                              },
                                          .options_help = [] { return help_text(Options{}); }});
}

}  // namespace equipoise::samplers
