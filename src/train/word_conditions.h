// What word-conditional training tells the denoiser of an image: one of its words.
#pragma once

#include <cstdint>

#include <torch/types.h>

#include "data/batch_source.h"
#include "data/word_schedule.h"

namespace equipoise::train {

/// The word vector of every image of a batch, by the image's group.
///
/// Source: Kuchlous, Li and Wang 2024, "Bias Begets Bias" (released code). Differs: an
/// image's words come in turn at its visits, not in three steps in a row.
class WordConditions {
 public:
  struct Parts {
    data::WordSchedule schedule;
    at::Tensor embeddings;   ///< e [V,P]
    int64_t num_biased = 0;  ///< images of the source's sets: when a visit is over
    int64_t num_reference = 0;
    uint64_t seed = 0;
  };
  explicit WordConditions(Parts parts) : parts_(std::move(parts)) {}

  /// Numbers of the words [B] int64 of a batch that a source of this law made. Random: as
  /// WordSchedule::at_visit.
  at::Tensor words_of(const data::Batch& batch, data::Law law) const;
  /// Their vectors [B,P].
  at::Tensor training(const data::Batch& batch, data::Law law) const;
  /// Vectors of the groups' first words [B,P]; groups [B] int64.
  at::Tensor heldout(const at::Tensor& groups) const;

 private:
  Parts parts_;
};

}  // namespace equipoise::train
