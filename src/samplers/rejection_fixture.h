// Ratios, constants and runs that tests of rejection share. For tests only.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "diffusion/mixture_law.h"
#include "samplers/rejection.h"
#include "samplers/sample_images.h"

namespace equipoise::samplers {

inline constexpr int64_t kSteps = 8;

/// log ratio = a number, wherever.
class ConstantRatio : public diffusion::DensityRatio {
 public:
  explicit ConstantRatio(double value) : value_(value) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&, const at::Tensor&) const override {
    return at::full({x.size(0)}, value_, at::kDouble);
  }

 private:
  double value_;
};

/// log ratio = a number for each noise level, whatever the image.
class LevelRatio : public diffusion::DensityRatio {
 public:
  LevelRatio(at::Tensor levels, const std::vector<double>& values)
      : levels_(std::move(levels)), values_(at::tensor(values, at::kDouble)) {}
  at::Tensor log_ratio(const at::Tensor&, const at::Tensor& sigma,
                       const at::Tensor&) const override {
    return values_.index_select(0, (sigma.unsqueeze(1) - levels_).abs().argmin(1));
  }

 private:
  at::Tensor levels_, values_;
};

/// Ratios far from 1, so that much is rejected.
inline std::shared_ptr<diffusion::MixtureRatio> strict_ratio() {
  return std::make_shared<diffusion::MixtureRatio>(
      std::make_shared<diffusion::GaussianMixture>(diffusion::isotropic_gaussian({2, 2})),
      diffusion::two_mode_laws().biased);
}

inline std::unique_ptr<Sampler> make_sampler(const std::string& name, int64_t steps = kSteps) {
  return SamplerRegistry::instance().find(name).make.make({{"steps", steps}});
}

inline RejectionTables flat_tables(double log_bound, int64_t steps = kSteps) {
  const std::vector<double> values(static_cast<size_t>(steps) + 1, log_bound);
  return {.marginal = values, .transition = values};
}

/// Images 0 … count - 1 on the plane.
inline SampleResult run(const diffusion::Denoiser& denoiser, const Sampler& sampler, int64_t count,
                        const Rejection* rejection, int64_t batch_size = 64) {
  Progress progress;
  return sample_images(denoiser, sampler,
                       {.seeds = at::arange(count), .item_shape = {2}, .seed_base = 5},
                       {.batch_size = batch_size}, progress, {}, rejection);
}

/// Images 0, 1, … at x, all at one level.
inline Walkers walkers_at(const at::Tensor& x, int64_t level) {
  const at::Tensor levels = at::full({x.size(0)}, level, at::kLong);
  return {
      .x = x, .level = levels, .num_taken = levels, .seeds = at::arange(x.size(0)), .seed_base = 2};
}

/// Trials of images whose first place was accepted, with this log-ratio.
inline Trials started_trials(int64_t count, double log_ratio) {
  Trials trials = new_trials(count, at::kCPU);
  trials.is_started = trials.is_started.logical_not();
  trials.log_ratio = trials.log_ratio + log_ratio;
  return trials;
}

inline RejectionCounts no_counts(int64_t steps = kSteps) {
  const std::vector<int64_t> none(static_cast<size_t>(steps) + 1, 0);
  return {.tested = none, .accepted = none};
}

}  // namespace equipoise::samplers
