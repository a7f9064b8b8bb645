#include "train/noisy_classifier_task.h"

#include <algorithm>

#include "core/libtorch.h"

namespace equipoise::train {
namespace {

constexpr int64_t kItemsPerCall = 64;

}  // namespace

at::Tensor NoisyClassifierTask::cross_entropy_sum(const reweight::RatioInput& input,
                                                  const at::Tensor& labels) const {
  const at::Tensor logits = parts_.network->logits(input.z, input.time);
  const at::Tensor shown = labels.to(logits.device());
  const at::Tensor transition =
      parts_.learned_transition ? parts_.learned_transition->matrix() : parts_.transition;
  if (!transition.defined())
    return at::cross_entropy_loss(logits, shown, /*weight=*/{}, at::Reduction::Sum);
  return reweight::forward_corrected_losses(logits.log_softmax(1), shown, transition).sum();
}

at::Tensor NoisyClassifierTask::loss_sum(int64_t first, int64_t count) const {
  const data::Batch batch = parts_.source->batch(first, count);
  const reweight::RatioInput input = reweight::make_ratio_input(
      batch.images.to(parts_.device), batch.image_numbers, parts_.seed, parts_.law);
  const at::Tensor loss = cross_entropy_sum(input, batch.labels);
  if (!parts_.learned_transition) return loss;
  return loss + static_cast<double>(count) * parts_.volume_weight *
                    parts_.learned_transition->log_volume();
}

double NoisyClassifierTask::heldout_loss() const {
  if (!parts_.heldout.defined()) return TrainingTask::heldout_loss();
  const at::NoGradGuard no_grad;
  const int64_t total = parts_.heldout.size(0);
  double sum = 0;
  for (int64_t start = 0; start < total; start += kItemsPerCall) {
    const int64_t end = std::min(start + kItemsPerCall, total);
    const reweight::RatioInput input = reweight::make_ratio_input(
        parts_.heldout.slice(0, start, end).to(parts_.device), at::arange(start, end, at::kLong),
        parts_.seed, parts_.law, reweight::RatioDraw::kHeldOut);
    sum += cross_entropy_sum(input, parts_.heldout_labels.slice(0, start, end)).item<double>();
  }
  return sum / static_cast<double>(total);
}

}  // namespace equipoise::train
