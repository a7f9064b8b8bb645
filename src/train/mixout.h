// Mixout: while a pretrained network is tuned, every call sees some of its input neurons with their
// pretrained weights again.
//
//   w~ = w + (m / (1-p) - 1) (w - u),   m = 0 with probability p, else 1;   p = 1: w~ = u
//
// w are the weights under training, u the pretrained ones. E[w~] = w and Var[w~] = p/(1-p) (w-u)^2, so
// that the loss is expected to grow by p/(1-p) times half its curvature along w - u: a pull towards u
// that is stronger where it matters. u = 0 is dropout of the input with a mask shared by the batch.
//
// One mask a network call, shared by its images: noise of the gradient does not fall with the number
// of images a call. Weights of two axes and more are mixed, one choice an input neuron; biases, norms
// and other vectors are left alone. Used models are plain: nothing is mixed outside training.
//
// Sources: "Mixout: Effective Regularization to Finetune Large-scale Pretrained Language Models" (ICLR
// 2020) and its official PyTorch implementation. Differs: convolutions take one choice an input
// channel, not one a channel and tap.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <torch/types.h>

#include "core/fields.h"
#include "core/random.h"
#include "train/loop.h"

namespace equipoise::train {

struct MixoutConfig {
  double probability = 0;
  std::string gradient = "exact";
  std::string unit = "neuron";

  void fields(FieldVisitor& f) {
    f("probability", probability, "",
      "share of input neurons that are seen with their pretrained weights; 0 = off", {0, 1});
    f.choice("gradient", gradient, {"exact", "reference"},
             "exact, or 1 - probability times that, as the official code has it");
    f.choice("unit", unit, {"neuron", "weight"},
             "what is mixed as one: all weights of an input neuron, or each weight (mixconnect)");
  }
};

/// Mask m of a weight [out,in,…]: [1,in,1,…] (neuron) or the weight's shape (weight, and vectors), 1
/// with probability 1 - p. Random: `stream` alone.
at::Tensor keep_mask(const at::Tensor& weight, const MixoutConfig& config, RandomStream stream);

/// w~, differentiable in w alone: d w~ / dw = m / (1-p) (exact) or m (reference), 0 at p = 1.
/// With w = u the result is w to the bit, whatever p and m.
/// Throws UsageError when w and u differ in shape or p is not in [0, 1]. `pretrained` undefined = 0.
at::Tensor mix(const at::Tensor& weight, const at::Tensor& pretrained, const at::Tensor& mask,
               const MixoutConfig& config);

/// A task whose every loss_sum is computed with mixed weights.
///
/// The network itself is never changed: calls borrow a replica, write the mixed weights into it and
/// hand the gradient back to the network's own parameters. Held-out losses are of plain weights.
/// Random: the mask of weight k in the call that begins at image n comes from stream (seed,
/// kDropout, n, k) of a seed of its own, so a resumed run repeats them.
/// Cost: one copy of the weights a replica; as many replicas as the loop has lanes, fewer make lanes
/// wait. The gradient is at hand when loss_sum returns.
class MixoutTask : public TrainingTask {
 public:
  /// A second network of the same kind, with the task that computes on it.
  struct Replica {
    std::shared_ptr<const TrainingTask> task;
    std::vector<at::Tensor> parameters;  ///< in the order of Parts::parameters
  };
  struct Parts {
    MixoutConfig config;
    uint64_t seed = 0;
    std::shared_ptr<const TrainingTask> plain;  ///< on the network that is trained
    std::vector<at::Tensor> parameters;         ///< its trainable ones
    std::vector<at::Tensor> pretrained = {};    ///< u, one for each
    std::vector<Replica> replicas = {};
  };
  /// Throws UsageError when the lists do not belong together.
  explicit MixoutTask(Parts parts);
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override { return parts_.plain->heldout_loss(); }

 private:
  const Replica& borrow() const;
  void give_back(const Replica& replica) const;

  Parts parts_;
  mutable std::mutex mutex_;
  mutable std::condition_variable freed_;
  mutable std::vector<const Replica*> free_;
};

/// A task with strength/2 |w - u|^2 added to the loss of every image: the pull of constant strength
/// that mixout is held against. u = 0 is plain weight decay.
class PulledTask : public TrainingTask {
 public:
  PulledTask(std::shared_ptr<const TrainingTask> base, double strength,
             std::vector<at::Tensor> parameters, std::vector<at::Tensor> pretrained);
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override { return base_->heldout_loss(); }

 private:
  std::shared_ptr<const TrainingTask> base_;
  double strength_;
  std::vector<at::Tensor> parameters_, pretrained_;
};

/// |w - u|, over all weights.
double distance(const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& pretrained);

}  // namespace equipoise::train
