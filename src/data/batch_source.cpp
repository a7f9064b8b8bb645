#include "data/batch_source.h"

#include <utility>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::data {
namespace {

EndlessStream make_stream(const at::Tensor& indices, const BatchSource::Options& options,
                          uint32_t which, const std::string& name) {
  if (indices.numel() == 0)
    throw UsageError({.where = "BatchSource",
                      .what = fmt::format("the {} is empty, and the objective trains on it", name),
                      .got = "0 images",
                      .expected = "at least one image",
                      .hint = ""});
  return {indices, options.seed, options.first_stream_id + which};
}

}  // namespace

BatchSource::BatchSource(std::shared_ptr<const ImageSet> set, const at::Tensor& biased,
                         const at::Tensor& reference, const Options& options)
    : set_(std::move(set)), options_(options) {
  if (options.law != Law::kReference) biased_ = make_stream(biased, options, 0, "biased set");
  if (options.law != Law::kBiased) reference_ = make_stream(reference, options, 1, "reference set");
  if (options.augment.is_on() && set_->is_vectors())
    throw UsageError({.where = "augment.probability",
                      .what = "vectors cannot be augmented",
                      .got = fmt::format("{}", options.augment.probability),
                      .expected = "0, or a set of images",
                      .hint = ""});
}

/// Under kHalfAndHalf the even numbers of the range are a range of positions of one stream, the odd
/// ones of the other.
at::Tensor BatchSource::indices_of(int64_t first, int64_t count) const {
  if (options_.law == Law::kBiased) return biased_->take(first, count);
  if (options_.law == Law::kReference) return reference_->take(first, count);
  const int64_t end = first + count;
  at::Tensor indices = at::empty({count}, at::kLong);
  const auto fill = [&](const EndlessStream& stream, int64_t parity) {
    const int64_t begin_position = (first + 1 - parity) / 2;
    const int64_t end_position = (end + 1 - parity) / 2;
    const int64_t offset = (first % 2 == parity) ? 0 : 1;
    indices.slice(0, offset, count, 2)
        .copy_(stream.take(begin_position, end_position - begin_position));
  };
  fill(*biased_, 0);
  fill(*reference_, 1);
  return indices;
}

Batch BatchSource::batch(int64_t first_image_number, int64_t count) const {
  if (first_image_number < 0 || count < 1)
    throw UsageError({.where = "BatchSource::batch",
                      .what = "the range of image numbers is empty or negative",
                      .got = fmt::format("{} images from {}", count, first_image_number),
                      .expected = "at least one image from number 0 or later",
                      .hint = ""});
  Batch batch;
  batch.image_numbers = at::arange(first_image_number, first_image_number + count, at::kLong);
  batch.indices = indices_of(first_image_number, count);
  batch.images = set_->normalised(batch.indices);
  if (set_->has_labels()) batch.labels = set_->labels.index_select(0, batch.indices);
  batch.is_reference = options_.law == Law::kHalfAndHalf
                           ? batch.image_numbers.remainder(2).eq(1)
                           : at::full({count}, options_.law == Law::kReference, at::kBool);
  if (options_.augment.is_on()) {
    Augmented augmented =
        augment(batch.images, batch.image_numbers, options_.augment, options_.seed);
    batch.images = augmented.images;
    batch.augment_labels = augmented.labels;
  }
  return batch;
}

}  // namespace equipoise::data
