// Training a classifier of noisy images.
#pragma once

#include <memory>

#include "data/batch_source.h"
#include "nets/discriminator.h"
#include "reweight/ratio_training.h"
#include "reweight/transition_matrix.h"
#include "train/loop.h"

namespace equipoise::train {

/// Loss of image n: cross-entropy of its label given the image at a noise level drawn as in
/// discriminator training (`law`), from the streams of number n.
///
///   L = E_t,x [ -log p(y | a x + sqrt(1 - a^2) n, t) ]
///
/// Labels are those of `source`. Held-out loss: the same on images kept from training, with the same
/// noise every time.
///
/// Where labels are wrong in a known way, the network is to give the posterior h of true classes:
///
///   L = E_t,x [ -log sum_c h_c S[c][y] ] + volume_weight log |det S|
///
/// with S fixed, or trained along (the last term, once an image, is of a trained S alone).
///
/// Source: Na et al. 2024 (ICLR, released code). Differs: networks are those of the discriminators
/// (CNN, ADM), which see the variance-preserving a x and a time, where the release has ResNets that
/// see x / sqrt(sigma^2 + 0.25) and log sigma / 4; averaged weights are kept, the best on held-out
/// images by default, where it keeps the last raw ones.
class NoisyClassifierTask : public TrainingTask {
 public:
  struct Parts {
    std::shared_ptr<nets::DiscriminatorNetwork> network;  ///< with an output a label
    std::shared_ptr<const data::BatchSource> source;
    reweight::RatioLaw law;
    uint64_t seed = 0;
    at::Tensor heldout;         ///< [N,…] float32; undefined = none
    at::Tensor heldout_labels;  ///< [N] int64
    at::Device device = at::kCPU;
    at::Tensor transition = {};  ///< S [K,K]; undefined = labels are right
    /// Stands in for `transition`; its parameters are trained with the network's.
    std::shared_ptr<reweight::LearnedTransition> learned_transition = nullptr;
    double volume_weight = 1e-3;
  };
  explicit NoisyClassifierTask(Parts parts) : parts_(std::move(parts)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override;

 private:
  at::Tensor cross_entropy_sum(const reweight::RatioInput& input, const at::Tensor& labels) const;

  Parts parts_;
};

}  // namespace equipoise::train
