// Training losses. All are denoising losses lambda(sigma) * w * |D(x; sigma) - target|^2 and differ
// in three things: the set they draw from, the weight w, and the target.
//
//   dsm_ref / dsm_obs / dsm_bias   w = 1,            target = x0
//   iw_dsm                         w = 2 d(x0),      target = x0                         (ratio of clean images)
//   tiw_dsm                        w = 2 d(x, t),    target = x0 + sigma^2 grad log w    (ratio of noised images)
//
// How to choose: tiw_dsm when a reference set of a few per cent exists; dsm_ref when the reference
// is large enough to learn from alone; dsm_obs as the baseline that shows how far the bias reaches.
#pragma once

#include <functional>
#include <memory>

#include <nlohmann/json.hpp>

#include "core/registry.h"
#include "diffusion/denoiser.h"
#include "diffusion/density_ratio.h"
#include "diffusion/training_batch.h"

namespace equipoise::objectives {

/// Which density ratio an objective asks for.
enum class RatioNeed { kNone, kTimeIndependent, kTimeDependent };

/// A training loss. Stateless after construction: safe to call from several threads at once.
class Objective {
 public:
  static constexpr const char* kFamily = "objective";
  virtual ~Objective() = default;
  virtual diffusion::TrainingSet training_set() const = 0;
  virtual RatioNeed ratio_need() const { return RatioNeed::kNone; }
  /// Loss before reduction, exactly the shape of batch.clean; the trainer backpropagates its sum
  /// divided by the batch size.
  /// Item i depends on item i of the batch alone.
  virtual at::Tensor loss(const diffusion::Denoiser& denoiser, const diffusion::NoisyBatch& batch,
                          const diffusion::Conditions& conditions) const = 0;
};

/// Makes an objective from its options (a JSON object; unknown keys refused) and the ratio it needs
/// (null if none).
using ObjectiveFactory = std::function<std::unique_ptr<Objective>(
    const nlohmann::json& options, std::shared_ptr<const diffusion::DensityRatio> ratio)>;
/// What is known of an objective before it is made: the ratio must be trained first.
struct ObjectivePlugin {
  RatioNeed ratio_need;
  diffusion::TrainingSet training_set;
  ObjectiveFactory make;
  std::function<std::string()> options_help;  ///< one line an option
  std::string title;                          ///< as papers write it: "TIW-DSM"
  std::string formula;                        ///< what is minimised, for the report
};
using ObjectiveRegistry = Registry<Objective, ObjectivePlugin>;

}  // namespace equipoise::objectives
