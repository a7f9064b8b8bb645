// Mini-batches by image number: the same number gives the same image however batches are cut.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <torch/types.h>

#include "data/augment.h"
#include "data/image_set.h"
#include "data/stream.h"

namespace equipoise::data {

/// Which images a mini-batch is made of.
enum class Law {
  kReference,    ///< the reference set only
  kBiased,       ///< the biased set only
  kHalfAndHalf,  ///< even image numbers from the biased set, odd ones from the reference
};

struct Batch {
  at::Tensor images;          ///< [B,C,H,W] or [B,D] float32 in [-1, 1], augmented if asked for
  at::Tensor labels;          ///< [B] int64; undefined when the set has none
  at::Tensor indices;         ///< [B] int64 into the image set
  at::Tensor is_reference;    ///< [B] bool
  at::Tensor image_numbers;   ///< [B] int64: first, first + 1, …
  at::Tensor augment_labels;  ///< [B,9] float32; undefined without augmentation
};

/// Makes the mini-batch of any range of image numbers.
///
/// Under kHalfAndHalf image number n comes from position n / 2 of its stream, so every mini-batch
/// of even size holds exactly as many biased as reference images, whatever its size (p_obs = 1/2
/// p_bias + 1/2 p_data).
/// Random: Purpose::kShuffle (the streams) and Purpose::kAugment, by image number. Safe to share
/// between threads.
class BatchSource {
 public:
  struct Options {
    Law law = Law::kHalfAndHalf;
    uint64_t seed = 0;
    uint32_t first_stream_id = 0;  ///< the biased stream's; the reference stream has the next one
    AugmentConfig augment;         ///< probability 0 = none
  };
  /// Throws UsageError when the law needs a set that is empty, or vectors are to be augmented.
  BatchSource(std::shared_ptr<const ImageSet> set, const at::Tensor& biased,
              const at::Tensor& reference, const Options& options);

  /// Throws UsageError when count < 1 or first_image_number < 0.
  Batch batch(int64_t first_image_number, int64_t count) const;
  const ImageSet& set() const { return *set_; }
  Law law() const { return options_.law; }

 private:
  at::Tensor indices_of(int64_t first_image_number, int64_t count) const;

  std::shared_ptr<const ImageSet> set_;
  std::optional<EndlessStream> biased_;
  std::optional<EndlessStream> reference_;
  Options options_;
};

}  // namespace equipoise::data
