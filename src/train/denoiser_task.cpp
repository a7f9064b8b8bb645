#include "train/denoiser_task.h"

#include "core/libtorch.h"
#include "core/random.h"
#include "train/heldout.h"

namespace equipoise::train {
namespace {

constexpr int64_t kHeldoutChunk = 16;

}  // namespace

diffusion::Conditions DenoiserTask::conditions(const at::Tensor& labels,
                                               const at::Tensor& augment_labels) const {
  diffusion::Conditions conditions;
  const int64_t label_dim = parts_.denoiser->shape().label_dim;
  if (label_dim > 0)
    conditions.class_labels = at::one_hot(labels, label_dim).to(parts_.device, at::kFloat);
  if (augment_labels.defined()) conditions.augment_labels = augment_labels.to(parts_.device);
  return conditions;
}

at::Tensor DenoiserTask::loss_sum(int64_t first, int64_t count) const {
  const data::Batch batch = parts_.source->batch(first, count);
  const diffusion::NoisyBatch noisy =
      diffusion::make_noisy(batch.images.to(parts_.device), batch.image_numbers, parts_.seed,
                            parts_.noise, parts_.sigma_data);
  const nets::ForwardRandomness randomness{.seed = parts_.seed,
                                           .image_numbers = batch.image_numbers};
  diffusion::Conditions seen = conditions(batch.labels, batch.augment_labels);
  seen.randomness = &randomness;
  return parts_.objective->loss(*parts_.denoiser, noisy, seen).sum();
}

double DenoiserTask::heldout_loss() const {
  if (!parts_.heldout.defined()) return TrainingTask::heldout_loss();
  const uint64_t seed = RandomStream(parts_.seed, Purpose::kEvaluation).next64();
  const auto sum_of = [&](int64_t begin, int64_t end) {
    const auto batch =
        diffusion::make_noisy(parts_.heldout.slice(0, begin, end).to(parts_.device),
                              at::arange(begin, end), seed, parts_.noise, parts_.sigma_data);
    const at::Tensor labels =
        parts_.heldout_labels.defined() ? parts_.heldout_labels.slice(0, begin, end) : at::Tensor();
    const at::Tensor denoised =
        parts_.denoiser->denoise(batch.noisy, batch.sigma, conditions(labels, {}));
    return ((denoised - batch.clean).pow(2).flatten(1).sum(1) * batch.loss_weight)
        .sum()
        .item<double>();
  };
  return mean_over_chunks(parts_.heldout.size(0), kHeldoutChunk, parts_.num_workers, sum_of);
}

}  // namespace equipoise::train
