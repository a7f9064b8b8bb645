// Minority guidance: steers images towards what the training set rarely shows.
#pragma once

#include <string>

#include "guidance/class_gradient.h"
#include "guidance/term.h"

namespace equipoise::guidance {

struct MinorityOptions : ScheduleConfig {
  std::string model = "";
  int64_t target = -1;
  int64_t from = -1;
  double scale = 3.5;

  void fields(FieldVisitor& f) {
    f("model", model, "",
      "classifier of minority bins; empty = M.minority.safetensors beside model M");
    f("target", target, "", "bin to steer to, 0 = the most typical; -1 = the rarest", {-1, 1e6});
    f("from", from, "",
      "each image gets a bin drawn evenly from this one to the rarest; -1 = target", {-1, 1e6});
    f("scale", scale, "", "guidance scale", {-1e3, 1e3});
    ScheduleConfig::fields(f);
  }
};

/// c(x, sigma) = scale grad_x log p(bin | x, sigma), the bins being quantiles of the minority score.
///
/// A low target suppresses what is rare: the same tool makes a model less fair.
/// Source: Um, Lee and Ye 2024 (arXiv:2301.12334), Eq. 8.
/// Random: with `from`, image i's bin comes from stream (0, kClassChoice, seeds[i]).
/// Throws: UsageError when a bin is not one of the classifier's.
class MinorityGuidance : public ClassGradient {
 public:
  MinorityGuidance(const MinorityOptions& options, const TermContext& context);
  MinorityGuidance(const MinorityOptions& options, LabelSource source);

 private:
  at::Tensor target(const diffusion::Visit& visit) const override;

  int64_t target_;
  int64_t from_;
};

}  // namespace equipoise::guidance
