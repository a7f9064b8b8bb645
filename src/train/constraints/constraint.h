// What a denoiser must be good at beside its own training set: a loss on other images, or its
// distance from another model, that is to stay below a threshold.
//
//   group       the denoising loss on one group (class or cell) of the run's training images
//   data_set    the denoising loss on a data set of its own, or on the run's reference
//   pretrained  the squared distance to a frozen model's prediction, on pure noise
//
// A group for a minority that must not be lost; a data set for images of another law; pretrained
// when a model is tuned on new images and the old ones are not at hand.
//
// Losses are means over the elements of an image (J in the papers), with the run's own noise levels
// and weights; a threshold is in this unit. A denoising loss is never 0: its floor is what the noise
// leaves undecided, whatever the network (denoising_floor.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/config.h"
#include "core/registry.h"
#include "data/image_set.h"
#include "diffusion/denoiser.h"
#include "diffusion/noise_law.h"
#include "train/constraints/denoising_floor.h"

namespace equipoise::train {

/// One J_i with images of its own. Its random streams are those of a seed of its own, so that no
/// draw of the main training changes when constraints come or go. Safe to call from several threads.
class Constraint {
 public:
  static constexpr const char* kFamily = "constraint";
  virtual ~Constraint() = default;
  /// Losses of images first … first + count - 1 (running numbers of this constraint): [count],
  /// differentiable in the denoiser's parameters where autograd is on.
  virtual at::Tensor losses(const diffusion::Denoiser& denoiser, int64_t first,
                            int64_t count) const = 0;
  /// Mean loss on images that training does not see, the same noise every time; NaN without any.
  virtual double heldout_loss(const diffusion::Denoiser& denoiser) const = 0;
  /// Below this no denoiser whatever can bring the loss.
  virtual Floor floor() const = 0;
  /// Images gone through again and again; 0 where every image is new.
  virtual int64_t num_images() const = 0;
  /// Shares of the run's groups among the images, where they have groups; else empty.
  virtual std::vector<double> group_shares() const { return {}; }
};

/// What every kind is told.
struct ConstraintSettings {
  std::string kind;
  double threshold = 0;
  int64_t batch_size = 0;
  double multiplier = 0;

  void fields(FieldVisitor& f) {
    f("kind", kind, "", "what is constrained (equipoise list constraints)");
    f("threshold", threshold, "loss, mean over elements",
      "the loss is to stay below; 0 suits a relaxation", {0, 1e12});
    f("batch_size", batch_size, "images",
      "images of the constraint a training step; 0 = in proportion to its size, 8 at least",
      {0, 65536});
    f("multiplier", multiplier, "", "the multiplier to start from", {0, 1e12});
  }
};

/// What a kind may use of the run it belongs to.
struct ConstraintContext {
  std::shared_ptr<const data::ImageSet> set;  ///< labels are group codes
  at::Tensor biased = {}, reference = {};     ///< [n] int64: the run's two sets, into `set`
  std::vector<std::string> groups = {};  ///< their names by code; a conditional model's classes
  std::shared_ptr<const data::ImageSet> heldout_set = nullptr;  ///< the same groups
  at::Tensor heldout = {};  ///< [n] int64: images training does not see; undefined = none
  diffusion::NoiseLaw noise = {};
  double sigma_data = 0.5;
  int64_t label_dim = 0;             ///< of the denoiser; 0 = unconditional
  uint64_t seed = 0;                 ///< of this constraint alone
  std::filesystem::path start = {};  ///< the model that training starts from; empty = none
  int64_t num_workers = 2;           ///< for held-out losses
  at::Device device = at::kCPU;
};

struct ConstraintPlugin {
  /// Throws UsageError for unknown options and for what the run has not got.
  std::function<std::unique_ptr<Constraint>(const nlohmann::json& options,
                                            const ConstraintContext& context)>
      make;
  /// Throws UsageError for unknown options, before any data are read.
  std::function<void(const nlohmann::json& options)> check;
  std::function<std::string()> options_help;
};
using ConstraintRegistry = Registry<Constraint, ConstraintPlugin>;

/// Registers a kind whose options are the fields of `Options`.
template <class Options>
bool register_constraint(const MethodInfo& info,
                         std::unique_ptr<Constraint> (*make)(const Options&,
                                                             const ConstraintContext&)) {
  const auto read = [](const nlohmann::json& json) {
    Options options;
    from_json(json, options, "constraint options");
    return options;
  };
  return ConstraintRegistry::instance().add(
      info,
      {.make = [read, make](const nlohmann::json& json,
                            const ConstraintContext& context) { return make(read(json), context); },
       .check = [read](const nlohmann::json& json) { read(json); },
       .options_help = [] { return help_text(ConstraintSettings{}) + help_text(Options{}); }});
}

/// Throws UsageError stating the floor when a threshold that does not give way is not above it.
void check_reachable(const std::string& name, double threshold, const Floor& floor,
                     double relaxation);

}  // namespace equipoise::train
