// Autoguidance: exaggerates the difference between a model and a worse one of the same images.
#include <memory>

#include "core/error.h"
#include "diffusion/model_file.h"
#include "guidance/sigma_schedule.h"
#include "guidance/term.h"

namespace equipoise::guidance {
namespace {

constexpr const char* kWhere = "guidance autoguidance";

struct AutoguidanceOptions : ScheduleConfig {
  std::string model;
  double scale = 1.5;

  void fields(FieldVisitor& f) {
    f("model", model, "", "file of the worse model");
    f("scale", scale, "", "guidance scale: 1 = the model itself, 0 = the worse one", {-100, 100});
    ScheduleConfig::fields(f);
  }
};

/// D_guided = D_worse + scale (D - D_worse), both told the image's class where they are told any;
/// within [sigma_min, sigma_max], outside of it D. With a schedule, (scale - 1) is multiplied.
///
/// Source: Karras et al. 2024 (arXiv:2406.02507), Eq. 3. With a model that corrects labels and one
/// that was trained on the wrong ones it is the affine guidance (1 + eta) D - eta D_worse of the
/// code of Na et al. 2024, scale = 1 + eta. Cost: a call of the other model wherever it acts.
class Autoguidance : public diffusion::Guidance {
 public:
  Autoguidance(const AutoguidanceOptions& options, const TermContext& context)
      : scale_(options.scale), schedule_(options, kWhere), file_(options.model) {
    if (file_.empty())
      throw UsageError({.where = kWhere,
                        .what = "no worse model is named",
                        .got = "",
                        .expected = "model=M.safetensors",
                        .hint = ""});
    worse_ = diffusion::load_model(file_).denoiser;
    worse_->to(context.device);
  }

  std::string name() const override { return "autoguidance"; }
  bool is_estimate() const override { return true; }
  std::string file() const override { return file_; }

  at::Tensor strength(const diffusion::Visit& visit) const override {
    return (scale_ - 1) * schedule_.factor(visit.sigma);
  }

  at::Tensor direction(const diffusion::Visit& visit, const at::Tensor& denoised,
                       const diffusion::Denoiser& /*denoiser*/) const override {
    const diffusion::Conditions told =
        worse_->shape().label_dim > 0 ? visit.conditions : diffusion::Conditions{};
    return denoised - worse_->denoise(visit.x, visit.sigma, told).to(at::kDouble);
  }

  /// A worse model that is told nothing may guide one that is.
  void check_fits(const nets::DataShape& model) const override {
    nets::DataShape expected = model;
    if (worse_->shape().label_dim == 0) expected.label_dim = 0;
    diffusion::check_fits(worse_->shape(), expected, std::string(kWhere) + ", " + file_);
  }

 private:
  double scale_;
  SigmaSchedule schedule_;
  std::string file_;
  std::shared_ptr<diffusion::PreconditionedDenoiser> worse_;
};

const bool kRegistered = register_term<Autoguidance, AutoguidanceOptions>(
    {.name = "autoguidance",
     .summary = "The difference to a worse model of the same images, exaggerated.",
     .source = "Karras et al. 2024 (arXiv:2406.02507)",
     .use_when = "with a smaller or shorter trained model at hand, or with one that was trained on "
                 "wrong labels beside one that corrects them"});

}  // namespace
}  // namespace equipoise::guidance
