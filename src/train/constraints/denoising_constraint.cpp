#include "train/constraints/denoising_constraint.h"

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/random.h"
#include "objectives/weighted_loss.h"
#include "train/heldout.h"
#include "train/noisy_images.h"

namespace equipoise::train {
namespace {

constexpr int64_t kFloorDraws = 1024;
/// A part of a larger set has a lower floor in the mean: still no denoiser gets below.
constexpr int64_t kMaxFloorImages = 4096;
constexpr int64_t kMaxHeldout = 256, kHeldoutChunk = 16;

data::BatchSource make_source(const DenoisingConstraint::Parts& parts, uint64_t seed) {
  return {parts.set, parts.indices, at::empty({0}, at::kLong),
          data::BatchSource::Options{.law = data::Law::kBiased, .seed = seed, .augment = {}}};
}

}  // namespace

DenoisingConstraint::DenoisingConstraint(Parts parts, const ConstraintContext& context)
    : parts_(std::move(parts)),
      source_(make_source(parts_, context.seed)),
      noise_(context.noise),
      sigma_data_(context.sigma_data),
      label_dim_(context.label_dim),
      seed_(context.seed),
      num_workers_(context.num_workers),
      device_(context.device) {
  if (label_dim_ > 0 && !parts_.set->has_labels())
    throw UsageError({.where = parts_.set->source,
                      .what = "a conditional model cannot be constrained on images without labels",
                      .got = "no labels",
                      .expected = "labels of the model's classes",
                      .hint = ""});
}

at::Tensor DenoisingConstraint::losses_of(const diffusion::Denoiser& denoiser,
                                          const diffusion::NoisyBatch& noisy,
                                          const at::Tensor& labels,
                                          const nets::ForwardRandomness* randomness) const {
  diffusion::Conditions conditions{.randomness = randomness};
  if (label_dim_ > 0)
    conditions.class_labels = at::one_hot(labels, label_dim_).to(device_, at::kFloat);
  return objectives::denoising_loss(denoiser, noisy, conditions, noisy.clean).flatten(1).mean(1);
}

at::Tensor DenoisingConstraint::losses(const diffusion::Denoiser& denoiser, int64_t first,
                                       int64_t count) const {
  const data::Batch batch = source_.batch(first, count);
  const nets::ForwardRandomness randomness{.seed = seed_, .image_numbers = batch.image_numbers};
  const auto noisy = noisy_for(denoiser, batch.images.to(device_), batch.image_numbers, seed_,
                               noise_, sigma_data_);
  return losses_of(denoiser, noisy, batch.labels, &randomness);
}

double DenoisingConstraint::heldout_loss(const diffusion::Denoiser& denoiser) const {
  if (!parts_.heldout_set || parts_.heldout.numel() == 0)
    return std::numeric_limits<double>::quiet_NaN();
  const uint64_t seed = RandomStream(seed_, Purpose::kEvaluation).next64();
  const at::Tensor indices = parts_.heldout.slice(0, 0, kMaxHeldout);
  const auto sum_of = [&](int64_t begin, int64_t end) {
    const at::Tensor chosen = indices.slice(0, begin, end);
    const auto noisy = noisy_for(denoiser, parts_.heldout_set->normalised(chosen).to(device_),
                                 at::arange(begin, end), seed, noise_, sigma_data_);
    const at::Tensor labels =
        label_dim_ > 0 ? parts_.heldout_set->labels.index_select(0, chosen) : at::Tensor();
    return losses_of(denoiser, noisy, labels, nullptr).sum().item<double>();
  };
  return mean_over_chunks(indices.numel(), kHeldoutChunk, num_workers_, sum_of);
}

Floor DenoisingConstraint::floor() const {
  const data::Batch batch = source_.batch(0, kFloorDraws);
  const auto draws =
      diffusion::make_noisy(batch.images, batch.image_numbers, seed_, noise_, sigma_data_);
  // The draws' own images must be among those they are told apart from.
  at::Tensor indices = parts_.indices;
  if (indices.numel() > kMaxFloorImages) indices = source_.batch(0, kMaxFloorImages).indices;
  const at::Tensor images = parts_.set->normalised(indices);
  if (label_dim_ == 0) return denoising_floor(images, draws);
  return denoising_floor(images, draws, parts_.set->labels.index_select(0, indices), batch.labels);
}

}  // namespace equipoise::train
