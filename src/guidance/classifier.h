// Classifier guidance: steers images towards a class by a classifier of noisy images.
#pragma once

#include <string>

#include "guidance/class_gradient.h"
#include "guidance/term.h"

namespace equipoise::guidance {

struct ClassifierOptions : ScheduleConfig {
  std::string model = "";
  int64_t target = -1;
  double scale = 1;

  void fields(FieldVisitor& f) {
    f("model", model, "",
      "classifier of noisy images; empty = M.noisy_classifier.safetensors beside model M");
    f("target", target, "", "label to steer to; -1 = each image's own class", {-1, 1e6});
    f("scale", scale, "", "guidance scale: 1 = the posterior, above = exaggerated", {-1e3, 1e3});
    ScheduleConfig::fields(f);
  }
};

/// Source: Dhariwal and Nichol 2021 (arXiv:2105.05233), Alg. 1 and 2.
/// Throws: UsageError when target is no label of the classifier, or -1 and images have no class.
class ClassifierGuidance : public ClassGradient {
 public:
  ClassifierGuidance(const ClassifierOptions& options, const TermContext& context);
  ClassifierGuidance(const ClassifierOptions& options, LabelSource source);

 private:
  at::Tensor target(const diffusion::Visit& visit) const override;

  int64_t target_;
};

}  // namespace equipoise::guidance
