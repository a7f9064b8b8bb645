// The gradient of a label's log-probability: what classifier and minority guidance share.
#pragma once

#include <memory>
#include <string>

#include "diffusion/guidance.h"
#include "diffusion/label_posterior.h"
#include "guidance/sigma_schedule.h"
#include "guidance/term.h"
#include "nets/network.h"

namespace equipoise::guidance {

/// Who says what an image's label is, and for which images.
struct LabelSource {
  std::shared_ptr<const diffusion::LabelPosterior> posterior;
  nets::DataShape shape = {};
  std::string file = "";  ///< empty = fits every model
};
/// From a classifier file: `given`, or `M.<suffix>.safetensors` beside model M.
LabelSource load_label_source(const std::string& given, const TermContext& context,
                              const std::string& suffix);

/// c(x, sigma) = scale grad_x log p(y | x, sigma).
///
/// Solvers of the ODE add it to the score; ancestral ones shift their mean by Sigma c, the form of
/// Dhariwal and Nichol (2021).
/// Cost: one classifier call with its gradient for each evaluation within the range.
class ClassGradient : public diffusion::Guidance {
 public:
  ClassGradient(std::string name, LabelSource source, double scale, const ScheduleConfig& schedule);
  std::string name() const override { return name_; }
  at::Tensor strength(const diffusion::Visit& visit) const override;
  at::Tensor direction(const diffusion::Visit& visit, const at::Tensor& denoised,
                       const diffusion::Denoiser& denoiser) const override;
  std::string file() const override { return source_.file; }
  void check_fits(const nets::DataShape& model) const override;

 protected:
  /// The label each image is steered to, [B] int64.
  virtual at::Tensor target(const diffusion::Visit& visit) const = 0;
  int64_t num_labels() const { return source_.posterior->num_labels(); }
  /// Throws UsageError unless `label` is one the classifier knows.
  void check_label(int64_t label, const std::string& option) const;

 private:
  std::string name_;
  LabelSource source_;
  double scale_;
  SigmaSchedule schedule_;
};

}  // namespace equipoise::guidance
