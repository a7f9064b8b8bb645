// Discriminator guidance: the gradient of a discriminator's log-odds corrects the score.
#pragma once

#include <memory>
#include <string>

#include "diffusion/density_ratio.h"
#include "diffusion/guidance.h"
#include "guidance/sigma_schedule.h"
#include "guidance/term.h"

namespace equipoise::guidance {

struct DiscriminatorOptions : ScheduleConfig {
  std::string model = "";
  double weight = 2;
  double second = 0;
  double time_min = 0.01;
  double time_max = 1;
  bool boost = false;
  double clip = 0;

  void fields(FieldVisitor& f) {
    f("model", model, "", "discriminator file; empty = M.discriminator.safetensors beside model M");
    f("weight", weight, "", "weight in the first evaluation of a step", {-1e3, 1e3});
    f("second", second, "", "weight in the second evaluation of a second-order step", {-1e3, 1e3});
    f("time_min", time_min, "", "no guidance below this VP time (0.01 is sigma 0.0447)", {0, 1});
    f("time_max", time_max, "", "no guidance above this VP time", {0, 1});
    f("boost", boost, "",
      "images taken for generated get churn 4 every fifth step and a doubled term every other one");
    f("clip", clip, "",
      "probabilities are kept this far from 0 and 1, beyond which the term vanishes (published: "
      "1e-5); 0 = never",
      {0, 0.49});
    ScheduleConfig::fields(f);
  }
};

/// c(x, sigma) = w grad_x l(x, sigma), l = log d / (1 - d), w = weight or second: D_guided = D +
/// w sigma^2 grad_x l.
///
/// At the optimal discriminator between noised real images and noised samples of the model,
/// w = 1 at every evaluation gives the score of the real images; weight 2 with second 0 comes near
/// at half the cost, because a second-order step averages a guided and an unguided slope.
/// Source: Kim et al. 2023 (arXiv:2211.17091), Eq. 9 and Alg. 1. Differs: the window of times is
/// applied to each image, not to the batch; the log-odds are not clipped unless asked; boosting
/// looks at where an image is, not at where it was at the step before.
/// Cost: a discriminator call with its gradient for each evaluation whose weight is not 0, one
/// without on every fifth step when boosting.
class DiscriminatorGuidance : public diffusion::Guidance {
 public:
  DiscriminatorGuidance(const DiscriminatorOptions& options, const TermContext& context);
  DiscriminatorGuidance(const DiscriminatorOptions& options,
                        std::shared_ptr<const diffusion::DensityRatio> ratio);

  std::string name() const override { return "discriminator"; }
  at::Tensor strength(const diffusion::Visit& visit) const override;
  at::Tensor direction(const diffusion::Visit& visit, const at::Tensor& denoised,
                       const diffusion::Denoiser& denoiser) const override;
  at::Tensor wanted_churn(const diffusion::Visit& visit) const override;
  bool wants_churn() const override { return options_.boost; }
  std::string file() const override { return file_; }
  void check_fits(const nets::DataShape& model) const override;

 private:
  DiscriminatorOptions options_;
  SigmaSchedule schedule_;
  std::shared_ptr<const diffusion::DensityRatio> ratio_;
  nets::DataShape shape_ = {};  // of the discriminator's images, where it came from a file
  std::string file_;
};

}  // namespace equipoise::guidance
