#include "train/word_conditions.h"

#include <algorithm>

#include "core/libtorch.h"

namespace equipoise::train {

at::Tensor WordConditions::words_of(const data::Batch& batch, data::Law law) const {
  // Under kHalfAndHalf each set is walked at half the pace.
  const at::Tensor position = law == data::Law::kHalfAndHalf
                                  ? at::floor_divide(batch.image_numbers, 2)
                                  : batch.image_numbers;
  const at::Tensor set_size = at::where(
      batch.is_reference, at::full_like(position, std::max<int64_t>(parts_.num_reference, 1)),
      at::full_like(position, std::max<int64_t>(parts_.num_biased, 1)));
  return parts_.schedule.at_visit(batch.labels, batch.indices, at::floor_divide(position, set_size),
                                  parts_.seed);
}

at::Tensor WordConditions::training(const data::Batch& batch, data::Law law) const {
  return parts_.embeddings.index_select(0, words_of(batch, law));
}

at::Tensor WordConditions::heldout(const at::Tensor& groups) const {
  return parts_.embeddings.index_select(0, parts_.schedule.first(groups));
}

}  // namespace equipoise::train
