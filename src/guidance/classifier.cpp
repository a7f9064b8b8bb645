#include "guidance/classifier.h"

#include <utility>

#include "core/error.h"

namespace equipoise::guidance {
namespace {

constexpr const char* kName = "classifier";

}  // namespace

ClassifierGuidance::ClassifierGuidance(const ClassifierOptions& options, LabelSource source)
    : ClassGradient(kName, std::move(source), options.scale, options), target_(options.target) {
  check_label(target_, "target");
}

ClassifierGuidance::ClassifierGuidance(const ClassifierOptions& options, const TermContext& context)
    : ClassifierGuidance(options, load_label_source(options.model, context, "noisy_classifier")) {}

at::Tensor ClassifierGuidance::target(const diffusion::Visit& visit) const {
  if (target_ >= 0) return at::full({visit.x.size(0)}, target_, at::kLong);
  if (visit.conditions.class_labels.defined()) return visit.conditions.class_labels.argmax(1);
  throw UsageError({.where = "guidance classifier",
                    .what = "images without a class and no target",
                    .got = "",
                    .expected = "target=K, or --class",
                    .hint = ""});
}

namespace {

const bool kRegistered = register_term<ClassifierGuidance, ClassifierOptions>(
    {.name = kName,
     .summary = "The gradient of a noisy classifier's log-probability of a class.",
     .source = "Dhariwal and Nichol 2021 (arXiv:2105.05233)",
     .use_when =
         "to ask an unconditional model for a class; classifier_free for conditional ones"});

}  // namespace
}  // namespace equipoise::guidance
