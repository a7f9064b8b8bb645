// Training losses. All are denoising losses lambda(sigma) * w * |D(x; sigma) - target|^2 and differ
// in three things: the set they draw from, the weight w, and the target.
//
//   dsm_ref / dsm_obs / dsm_bias   w = 1,            target = x0
//   iw_dsm                         w = 2 d(x0),      target = x0                         (ratio of clean images)
//   tiw_dsm                        w = 2 d(x, t),    target = x0 + sigma^2 grad log w    (ratio of noised images)
//
// and two that differ in the prediction, for labels y of which some are wrong:
//
//   tdsm, s_dsm                    sum_c w_c D(x; sigma, c) in the place of D(x; sigma, y)
//
// How to choose: tiw_dsm when a reference set of a few per cent exists; dsm_ref when the reference
// is large enough to learn from alone; dsm_obs as the baseline that shows how far the bias reaches;
// tdsm for conditional models when labels are wrong, with dsm_bias as its baseline; constrained
// (plain, but other losses must stay small meanwhile) when rare groups are known and no reference is.
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "core/registry.h"
#include "diffusion/denoiser.h"
#include "diffusion/density_ratio.h"
#include "diffusion/label_weights.h"
#include "diffusion/training_batch.h"

namespace equipoise::objectives {

/// Which density ratio an objective asks for.
enum class RatioNeed { kNone, kTimeIndependent, kTimeDependent };
/// What it must be told of wrong labels: nothing, how they go wrong, or also which class a noisy
/// image is of.
enum class LabelNeed { kNone, kTransition, kPosterior };

/// What must be known before an objective can be made.
struct ObjectiveNeeds {
  RatioNeed ratio = RatioNeed::kNone;
  LabelNeed labels = LabelNeed::kNone;
  bool constraints = false;  ///< trained under those of the run (train/constrained_task.h)

  bool operator==(const ObjectiveNeeds&) const = default;
  /// Whether it can be made at once.
  bool has_no_inputs() const { return ratio == RatioNeed::kNone && labels == LabelNeed::kNone; }
};

/// The same, known. Parts that are not needed may be missing.
struct ObjectiveInputs {
  std::shared_ptr<const diffusion::DensityRatio> ratio = nullptr;
  diffusion::LabelModel labels = {};
};

/// A training loss. Stateless after construction: safe to call from several threads at once.
class Objective {
 public:
  static constexpr const char* kFamily = "objective";
  virtual ~Objective() = default;
  virtual diffusion::TrainingSet training_set() const = 0;
  virtual ObjectiveNeeds needs() const { return {}; }
  /// Loss before reduction, exactly the shape of batch.clean; the trainer backpropagates its sum
  /// divided by the batch size.
  /// Item i depends on item i of the batch alone.
  virtual at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                          const diffusion::Conditions& conditions) const = 0;
};

/// Makes an objective from its options (a JSON object; unknown keys refused) and what it needs.
using ObjectiveFactory = std::function<std::unique_ptr<Objective>(const nlohmann::json& options,
                                                                  const ObjectiveInputs& inputs)>;
/// What is known of an objective before it is made: what it needs must be trained first.
struct ObjectivePlugin {
  ObjectiveNeeds needs = {};
  diffusion::TrainingSet training_set;
  ObjectiveFactory make;
  std::function<std::string()> options_help;  ///< one line an option
  std::string title;                          ///< as papers write it: "TIW-DSM"
  std::string formula;                        ///< what is minimised, for the report
};
using ObjectiveRegistry = Registry<Objective, ObjectivePlugin>;

}  // namespace equipoise::objectives
