// Training a denoiser under any objective.
#pragma once

#include <memory>

#include "data/batch_source.h"
#include "diffusion/noise_law.h"
#include "diffusion/precondition.h"
#include "objectives/objective.h"
#include "train/loop.h"
#include "train/word_conditions.h"

namespace equipoise::train {

/// Loss of image n: the objective's, on image n of `source` noised by `noise` from the streams of
/// number n.
///
/// With label_dropout, items lose their class label with that probability before the objective sees
/// them (zeros: the network then learns the unconditional law, for classifier-free guidance).
///
/// Random: besides the objective's, kLabelDropout, stream of the image's number.
///
/// Discrete-time denoisers are trained at the levels they know: sigma is the nearest.
///
/// Held-out loss: plain denoising loss on `heldout` images (lambda-weighted, per image), with the
/// same noise every time.
class DenoiserTask : public TrainingTask {
 public:
  struct Parts {
    std::shared_ptr<diffusion::PreconditionedDenoiser> denoiser;
    std::shared_ptr<const objectives::Objective> objective;
    std::shared_ptr<const data::BatchSource> source;
    diffusion::NoiseLaw noise;
    double sigma_data = 0.5;
    uint64_t seed = 0;
    at::Tensor heldout;         ///< [N,C,H,W] or [N,D] float32; undefined = none
    at::Tensor heldout_labels;  ///< [N] int64, needed by conditional models
    int64_t num_workers = 2;
    at::Device device = at::kCPU;
    double label_dropout = 0;
    /// Words in place of classes; null = classes, where the denoiser has any.
    std::shared_ptr<const WordConditions> words = nullptr;
  };
  explicit DenoiserTask(Parts parts) : parts_(std::move(parts)) {}
  at::Tensor loss_sum(int64_t first, int64_t count) const override;
  double heldout_loss() const override;

 private:
  diffusion::NoisyBatch noisy(const at::Tensor& clean, const at::Tensor& image_numbers,
                              uint64_t seed) const;
  /// One-hot labels, or the vectors of first words; undefined for unconditional denoisers.
  at::Tensor conditions_of(const at::Tensor& labels) const;
  Parts parts_;
};

}  // namespace equipoise::train
