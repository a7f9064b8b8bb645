// Training the classifier that tells which group a sample belongs to.
#pragma once

#include <memory>

#include "data/batch_source.h"
#include "nets/classifier.h"
#include "train/loop.h"

namespace equipoise::train {

/// Loss of image n: cross-entropy of the label of image n of `source`. Held-out loss: the same on
/// images kept from training.
class ClassifierTask : public TrainingTask {
 public:
  struct Parts {
    std::shared_ptr<nets::ClassifierNetwork> network;
    std::shared_ptr<const data::BatchSource> source;
    at::Tensor heldout;         ///< [N,…] float32
    at::Tensor heldout_labels;  ///< [N] int64
    int64_t num_workers = 2;
    at::Device device = at::kCPU;
  };
  explicit ClassifierTask(Parts parts) : parts_(std::move(parts)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override;

 private:
  Parts parts_;
};

}  // namespace equipoise::train
