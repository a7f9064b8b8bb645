// Noise levels of discrete-time models, for solvers that walk along some of their steps.
#pragma once

#include <cstdint>
#include <string>

#include "core/fields.h"
#include "diffusion/ddpm_schedule.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {

struct DdpmLevelsConfig {
  int64_t steps = 250;
  std::string betas = "linear";
  int64_t train_steps = 1000;
  bool clip = false;

  void fields(FieldVisitor& f) {
    f("steps", steps, "count", "steps kept of the model's own", {2, 100000});
    f.choice("betas", betas, {"linear", "cosine"}, "the model's noise schedule");
    f("train_steps", train_steps, "count", "steps of the whole schedule", {2, 100000});
    f("clip", clip, "",
      "keep denoised images within [-1, 1] before guidance is added, as published samplers do");
  }
};

/// The kept steps, respaced evenly.
/// Throws: UsageError unless steps <= train_steps.
diffusion::DdpmChain ddpm_chain(const DdpmLevelsConfig& config);
/// Their noise levels from the last step to the first, then 0: [steps + 1] float64.
/// Throws: UsageError when the denoiser is a discrete-time model of another schedule, or does not
/// know the highest level.
at::Tensor ddpm_levels(const DdpmLevelsConfig& config, const diffusion::Denoiser& denoiser);

/// What the model says of each image, the denoised one clipped if asked (before guidance).
diffusion::Estimate ddpm_estimate(const DdpmLevelsConfig& config,
                                  const diffusion::GuidedDenoiser& model, const Walkers& walkers,
                                  const at::Tensor& levels);

}  // namespace equipoise::samplers
