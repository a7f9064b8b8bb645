// Discrete-time models (DDPM, iDDPM, ADM) as denoisers: their network is told the number of a step
// and predicts the noise; everything else sees a noise level and D(x; sigma).
//
//   D(x; sigma) = x - sigma eps(x / sqrt(sigma^2 + 1), t),   t the step whose sigma_t is nearest
//
// In a model file the preconditioning is named after the schedule (ddpm_schedule.h):
// "ddpm_linear_1000".
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "diffusion/ddpm_schedule.h"
#include "diffusion/learned_variance.h"
#include "diffusion/precondition.h"

namespace equipoise::diffusion {

/// c_skip = 1, c_out = -sigma, c_in = 1/sqrt(sigma^2+1), c_noise = t. Levels are sigma_0 … sigma_{T-1}
/// in float64; they are not part of the model's state.
std::unique_ptr<const Preconditioning> make_ddpm_preconditioning(const DdpmSchedule& schedule);

/// A network of a discrete-time model with its schedule.
class AdmDenoiser : public PreconditionedDenoiser {
 public:
  AdmDenoiser(const DdpmSchedule& schedule, const nets::DataShape& shape,
              std::shared_ptr<nets::DenoiserNetwork> model);
  const DdpmSchedule& schedule() const { return schedule_; }

 private:
  DdpmSchedule schedule_;
};

/// One whose network gives v after the noise. The share s = (v + 1) / 2 is not clipped to [0, 1], as
/// in the reference.
class LearnedVarianceAdmDenoiser : public AdmDenoiser, public LearnedVarianceDenoiser {
 public:
  using AdmDenoiser::AdmDenoiser;
  std::pair<at::Tensor, at::Tensor> denoise_with_variance(
      const at::Tensor& x, const at::Tensor& sigma, const Conditions& conditions) const override;
};

/// The denoiser of a model file whose preconditioning names `schedule`; with learned variance when
/// the network's options say learn_sigma. Throws as make_denoiser does.
std::shared_ptr<PreconditionedDenoiser> make_adm_denoiser(const DdpmSchedule& schedule,
                                                          const ModelConfig& config,
                                                          uint64_t init_seed);

}  // namespace equipoise::diffusion
