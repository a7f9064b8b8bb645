#include "guidance/class_gradient.h"

#include <utility>

#include "core/error.h"
#include "diffusion/model_file.h"
#include "diffusion/noisy_classifier.h"
#include "diffusion/per_item.h"
#include "guidance/input_gradient.h"

namespace equipoise::guidance {

LabelSource load_label_source(const std::string& given, const TermContext& context,
                              const std::string& suffix) {
  const std::filesystem::path file = network_file(given, context, suffix);
  const diffusion::LoadedNoisyClassifier loaded =
      diffusion::load_label_posterior(file, context.device);
  nets::DataShape images = loaded.shape;
  images.label_dim = 0;
  return {.posterior = loaded.posterior, .shape = images, .file = file.string()};
}

ClassGradient::ClassGradient(std::string name, LabelSource source, double scale,
                             const ScheduleConfig& schedule)
    : name_(std::move(name)),
      source_(std::move(source)),
      scale_(scale),
      schedule_(schedule, "guidance " + name_) {}

void ClassGradient::check_fits(const nets::DataShape& model) const {
  if (!source_.file.empty()) diffusion::check_fits(source_.shape, model, source_.file);
}

void ClassGradient::check_label(int64_t label, const std::string& option) const {
  if (label < num_labels()) return;
  throw UsageError({.where = "guidance " + name_ + "." + option,
                    .what = "the classifier knows no such label",
                    .got = std::to_string(label),
                    .expected = "0 to " + std::to_string(num_labels() - 1),
                    .hint = ""});
}

at::Tensor ClassGradient::strength(const diffusion::Visit& visit) const {
  return scale_ * schedule_.factor(visit.sigma);
}

at::Tensor ClassGradient::direction(const diffusion::Visit& visit, const at::Tensor& /*denoised*/,
                                    const diffusion::Denoiser& /*denoiser*/) const {
  const at::Tensor labels = target(visit).to(visit.x.device()).unsqueeze(1);
  const at::Tensor gradient =
      input_gradient(visit.x, [&](const at::Tensor& x) {
        return source_.posterior->log_posterior(x, visit.sigma).gather(1, labels).squeeze(1);
      }).gradient.to(at::kDouble);
  return diffusion::per_item(visit.sigma.square(), gradient) * gradient;
}

}  // namespace equipoise::guidance
