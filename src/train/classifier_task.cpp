#include "train/classifier_task.h"

#include "core/libtorch.h"
#include "train/heldout.h"

namespace equipoise::train {
namespace {

constexpr int64_t kHeldoutChunk = 64;

}  // namespace

at::Tensor ClassifierTask::loss_sum(int64_t first, int64_t count) const {
  const data::Batch batch = parts_.source->batch(first, count);
  return at::cross_entropy_loss(parts_.network->logits(batch.images.to(parts_.device)),
                                batch.labels.to(parts_.device), {}, at::Reduction::Sum);
}

double ClassifierTask::heldout_loss() const {
  if (!parts_.heldout.defined()) return TrainingTask::heldout_loss();
  const auto sum_of = [&](int64_t begin, int64_t end) {
    const at::Tensor logits =
        parts_.network->logits(parts_.heldout.slice(0, begin, end).to(parts_.device));
    const at::Tensor labels = parts_.heldout_labels.slice(0, begin, end).to(parts_.device);
    return at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>();
  };
  return mean_over_chunks(parts_.heldout.size(0), kHeldoutChunk, parts_.num_workers, sum_of);
}

}  // namespace equipoise::train
