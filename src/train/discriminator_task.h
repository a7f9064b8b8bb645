// Training a discriminator between the reference set and the biased set.
#pragma once

#include <memory>

#include "data/batch_source.h"
#include "diffusion/density_ratio.h"
#include "nets/discriminator.h"
#include "reweight/ratio_training.h"
#include "train/loop.h"

namespace equipoise::train {

/// Loss of image n: binary cross-entropy of image n of `source` (law kHalfAndHalf: as many of each
/// set) at a noise level from the streams of number n. Held-out loss: reweight::heldout_bce on
/// images kept from training.
///
/// With a teacher, a ratio of clean images, the label of an image x_0 is not the set it came from
/// but d(x_0) = sigmoid(log ratio), half of a batch being of each set. The optimum is the same,
/// because for given x_0 the noise knows nothing of the set:
///
///   P(reference | x_t) = E[ P(reference | x_0) | x_t ]
///
/// while the label's own variance is gone, and with it the chance to learn by heart which of the
/// few reference images a noised one was. Errors of the teacher are handed on.
class DiscriminatorTask : public TrainingTask {
 public:
  struct Parts {
    std::shared_ptr<nets::DiscriminatorNetwork> network;
    std::shared_ptr<const data::BatchSource> source;
    reweight::RatioLaw law;
    uint64_t seed = 0;
    at::Tensor heldout;         ///< [N,…] float32
    at::Tensor heldout_labels;  ///< [N] float32, 1 = reference
    at::Device device = at::kCPU;
    std::shared_ptr<const diffusion::DensityRatio> teacher = nullptr;  ///< null: hard labels
    /// Classes a conditional network looks at, and those of the held-out images [N] int64; 0 = none.
    int64_t num_classes = 0;
    at::Tensor heldout_classes = {};
  };
  explicit DiscriminatorTask(Parts parts) : parts_(std::move(parts)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override;

 private:
  at::Tensor one_hot(const at::Tensor& classes) const;

  Parts parts_;
};

}  // namespace equipoise::train
