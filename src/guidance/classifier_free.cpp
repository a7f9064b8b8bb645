// Classifier-free guidance: exaggerates the difference a condition makes.
#include "core/error.h"
#include "guidance/sigma_schedule.h"
#include "guidance/term.h"

namespace equipoise::guidance {
namespace {

constexpr const char* kWhere = "guidance classifier_free";

struct ClassifierFreeOptions : ScheduleConfig {
  double scale = 1.5;

  void fields(FieldVisitor& f) {
    f("scale", scale, "", "guidance scale: 1 = the conditional model itself, 0 = unconditional",
      {-100, 100});
    ScheduleConfig::fields(f);
  }
};

/// D_guided = D_0 + scale (D_y - D_0), D_0 the model without its label; within [sigma_min,
/// sigma_max], outside of it D_y. With a schedule, (scale - 1) is multiplied.
///
/// Source: Ho and Salimans 2022 (arXiv:2207.12598), Eq. 6; the interval: Kynkäänniemi et al. 2024
/// (arXiv:2404.07724). Cost: a second denoiser call wherever it acts. The model must have been
/// trained with label dropout.
class ClassifierFreeGuidance : public diffusion::Guidance {
 public:
  ClassifierFreeGuidance(const ClassifierFreeOptions& options, const TermContext& /*context*/)
      : scale_(options.scale), schedule_(options, kWhere) {}

  std::string name() const override { return "classifier_free"; }
  bool is_estimate() const override { return true; }

  at::Tensor strength(const diffusion::Visit& visit) const override {
    return (scale_ - 1) * schedule_.factor(visit.sigma);
  }

  at::Tensor direction(const diffusion::Visit& visit, const at::Tensor& denoised,
                       const diffusion::Denoiser& denoiser) const override {
    if (!visit.conditions.class_labels.defined())
      throw UsageError({.where = kWhere,
                        .what = "images without a class cannot be guided by it",
                        .got = "no class labels",
                        .expected = "--class K or --class random",
                        .hint = ""});
    return denoised - denoiser.denoise(visit.x, visit.sigma).to(at::kDouble);
  }

  void check_fits(const nets::DataShape& model) const override {
    if (model.label_dim > 0) return;
    throw UsageError({.where = kWhere,
                      .what = "the model is unconditional",
                      .got = "no classes",
                      .expected = "a model trained with classes and label dropout",
                      .hint = ""});
  }

 private:
  double scale_;
  SigmaSchedule schedule_;
};

const bool kRegistered = register_term<ClassifierFreeGuidance, ClassifierFreeOptions>(
    {.name = "classifier_free",
     .summary = "The difference between the conditional and the unconditional model, exaggerated.",
     .source = "Ho and Salimans 2022 (arXiv:2207.12598)",
     .use_when = "on conditional models that were trained with label dropout"});

}  // namespace
}  // namespace equipoise::guidance
