// Training under constraints: the loss is the Lagrangian, its multipliers rise and fall with the
// run.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "train/constraints/constraint.h"
#include "train/dual_ascent.h"
#include "train/loop.h"

namespace equipoise::train {

/// A constraint as one run uses it.
struct BoundConstraint {
  std::string name;
  std::shared_ptr<const Constraint> constraint;
  double threshold = 0;
  int64_t batch_size = 8;  ///< images of it a whole training step
  double multiplier = 0;   ///< to start from
};

/// The multipliers of a run and what they are moved by: collects the losses of the steps' constraint
/// images and takes a dual step after every `period_steps` of them.
///
/// One is shared by all tasks of a run (those of replicas too). Deterministic: losses are added in
/// the order of image numbers, whatever thread found them, and then over the processes that train
/// together, which all take the same dual step. A loss that is not finite is left out.
class DualTraining : public Companion {
 public:
  struct Parts {
    DualConfig config;
    std::vector<BoundConstraint> constraints = {};
    std::shared_ptr<const diffusion::Denoiser> denoiser = nullptr;  ///< the one that is trained
    int64_t batch_size = 1;  ///< images of a whole training step
    std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>();
  };
  /// Throws UsageError without constraints, and as DualAscent does.
  explicit DualTraining(Parts parts);

  const std::vector<BoundConstraint>& constraints() const { return parts_.constraints; }
  const DualAscent& ascent() const { return ascent_; }
  const DualConfig& config() const { return parts_.config; }
  int64_t batch_size() const { return parts_.batch_size; }

  /// Losses found by one network call.
  struct Sums {
    std::vector<double> loss;     ///< [constraints] sum of losses; the objective's own is the last
    std::vector<int64_t> images;  ///< their number
  };
  /// Called from any thread, once for every `first` of a step.
  void record(int64_t first, Sums sums);

  void step_done(int64_t first, int64_t count) override;
  /// {"objective_loss", "constraints": {name: {"multiplier", "loss", "heldout_loss"}}}; losses are
  /// means over the images since the tick before, at the weights of their steps.
  nlohmann::json at_tick(int64_t images) override;
  nlohmann::json state() const override;
  void restore(const nlohmann::json& state) override;

 private:
  struct Mean {
    double sum = 0;
    int64_t images = 0;
    void add(double loss, int64_t count);
    double value() const { return sum / static_cast<double>(images); }
  };
  void add_other_processes();
  std::vector<double> estimates() const;
  double fresh_loss(const BoundConstraint& bound) const;

  Parts parts_;
  DualAscent ascent_;
  std::mutex mutex_;
  std::map<int64_t, Sums> recorded_;
  int64_t num_steps_ = 0;
  std::vector<Mean> last_, period_, tick_;  // one a constraint, then the objective's
  std::vector<double> moving_;              // estimate ema
  std::vector<int64_t> moving_steps_;
};

///   loss = J_0 + sum_i lambda_i J_i,   divided by 1 + sum_i lambda_i where config.normalise is set
///
/// J_0 is the base task's loss. A step of B images takes batch_size_i images of constraint i, spread
/// over its network calls in proportion. Thresholds only shift the loss and are left out. Multipliers
/// are numbers to autograd, those before the step's dual step; at multiplier 0 a constraint is
/// evaluated without a graph, and the gradient is the base task's to the bit.
class ConstrainedTask : public TrainingTask {
 public:
  /// `elements`: numbers of an image. The base task's loss of an image is a sum over them, that of a
  /// constraint a mean.
  ConstrainedTask(std::shared_ptr<const TrainingTask> base,
                  std::shared_ptr<const diffusion::Denoiser> denoiser, int64_t elements,
                  std::shared_ptr<DualTraining> dual);
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override { return base_->heldout_loss(); }

 private:
  std::shared_ptr<const TrainingTask> base_;
  std::shared_ptr<const diffusion::Denoiser> denoiser_;
  int64_t elements_;
  std::shared_ptr<DualTraining> dual_;
};

/// max(8, batch_size num_constraint / num_main), at most batch_size: images of a constraint a step,
/// in proportion to the sets as published. Constraints without a set of images take batch_size.
int64_t proportional_batch(int64_t batch_size, int64_t num_constraint, int64_t num_main);

}  // namespace equipoise::train
