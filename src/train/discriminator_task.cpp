#include "train/discriminator_task.h"

#include "core/libtorch.h"

namespace equipoise::train {

at::Tensor DiscriminatorTask::one_hot(const at::Tensor& classes) const {
  if (parts_.num_classes == 0) return {};
  return at::one_hot(classes, parts_.num_classes).to(parts_.device, at::kFloat);
}

at::Tensor DiscriminatorTask::loss_sum(int64_t first, int64_t count) const {
  const data::Batch batch = parts_.source->batch(first, count);
  reweight::RatioItems items{.clean = batch.images.to(parts_.device),
                             .labels = batch.is_reference.to(parts_.device, at::kFloat),
                             .image_numbers = batch.image_numbers,
                             .class_labels = one_hot(batch.labels)};
  if (parts_.teacher) {
    const at::NoGradGuard no_grad;
    items.labels = parts_.teacher->log_ratio(items.clean, at::zeros_like(items.labels)).sigmoid();
  }
  return reweight::ratio_losses(*parts_.network, items, parts_.seed, parts_.law).sum();
}

double DiscriminatorTask::heldout_loss() const {
  if (!parts_.heldout.defined()) return TrainingTask::heldout_loss();
  return reweight::heldout_bce(*parts_.network, parts_.heldout.to(parts_.device),
                               parts_.heldout_labels, parts_.seed, parts_.law,
                               one_hot(parts_.heldout_classes));
}

}  // namespace equipoise::train
