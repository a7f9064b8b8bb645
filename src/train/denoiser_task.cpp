#include "train/denoiser_task.h"

#include "core/libtorch.h"
#include "core/random.h"
#include "nets/ops.h"
#include "train/heldout.h"
#include "train/noisy_images.h"

namespace equipoise::train {
namespace {

constexpr int64_t kHeldoutChunk = 16;

}  // namespace

diffusion::NoisyBatch DenoiserTask::noisy(const at::Tensor& clean, const at::Tensor& image_numbers,
                                          uint64_t seed) const {
  return noisy_for(*parts_.denoiser, clean, image_numbers, seed, parts_.noise, parts_.sigma_data);
}

at::Tensor DenoiserTask::conditions_of(const at::Tensor& labels) const {
  const int64_t label_dim = parts_.denoiser->shape().label_dim;
  if (label_dim == 0) return {};
  const at::Tensor rows =
      parts_.words ? parts_.words->heldout(labels) : at::one_hot(labels, label_dim);
  return rows.to(parts_.device, at::kFloat);
}

at::Tensor DenoiserTask::loss_sum(int64_t first, int64_t count) const {
  const data::Batch batch = parts_.source->batch(first, count);
  const nets::ForwardRandomness randomness{.seed = parts_.seed,
                                           .image_numbers = batch.image_numbers.to(parts_.device)};
  diffusion::Conditions seen{
      .class_labels = parts_.words
                          ? parts_.words->training(batch, parts_.source->law()).to(parts_.device)
                          : conditions_of(batch.labels),
      .randomness = &randomness};
  if (seen.class_labels.defined())
    seen.class_labels = nets::drop_labels(seen.class_labels, parts_.label_dropout, &randomness);
  if (batch.augment_labels.defined()) seen.augment_labels = batch.augment_labels.to(parts_.device);
  return parts_.objective
      ->loss(*parts_.denoiser,
             noisy(batch.images.to(parts_.device), batch.image_numbers, parts_.seed), seen)
      .sum();
}

double DenoiserTask::heldout_loss() const {
  if (!parts_.heldout.defined()) return TrainingTask::heldout_loss();
  const uint64_t seed = RandomStream(parts_.seed, Purpose::kEvaluation).next64();
  const auto sum_of = [&](int64_t begin, int64_t end) {
    const diffusion::NoisyBatch batch =
        noisy(parts_.heldout.slice(0, begin, end).to(parts_.device), at::arange(begin, end), seed);
    const at::Tensor labels =
        parts_.heldout_labels.defined() ? parts_.heldout_labels.slice(0, begin, end) : at::Tensor();
    const at::Tensor denoised =
        parts_.denoiser->denoise(batch.noisy, batch.sigma, {.class_labels = conditions_of(labels)});
    return ((denoised - batch.clean).pow(2).flatten(1).sum(1) * batch.loss_weight)
        .sum()
        .item<double>();
  };
  return mean_over_chunks(parts_.heldout.size(0), kHeldoutChunk, parts_.num_workers, sum_of);
}

}  // namespace equipoise::train
