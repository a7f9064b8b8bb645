#include "data/stream.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::data {

struct EndlessStream::Cache {
  std::mutex mutex;
  int64_t epoch = -1;
  at::Tensor order;
};

EndlessStream::EndlessStream(at::Tensor indices, uint64_t seed, uint32_t stream_id)
    : indices_(std::move(indices)),
      seed_(seed),
      stream_id_(stream_id),
      cache_(std::make_unique<Cache>()) {
  EQUIPOISE_ASSERT(indices_.scalar_type() == at::kLong && indices_.dim() == 1);
  if (indices_.numel() == 0)
    throw UsageError({.where = "EndlessStream",
                      .what = "a training set is empty",
                      .got = "0 images",
                      .expected = "at least one image",
                      .hint = ""});
}
EndlessStream::~EndlessStream() = default;
EndlessStream::EndlessStream(EndlessStream&&) noexcept = default;
EndlessStream& EndlessStream::operator=(EndlessStream&&) noexcept = default;

int64_t EndlessStream::size() const {
  return indices_.numel();
}

at::Tensor EndlessStream::order_of(int64_t epoch) const {
  const std::lock_guard lock(cache_->mutex);
  if (cache_->epoch != epoch) {
    const RandomStream stream(seed_, Purpose::kShuffle, static_cast<uint64_t>(epoch), stream_id_);
    cache_->order = indices_.index_select(0, random_permutation(stream, size()));
    cache_->epoch = epoch;
  }
  return cache_->order;
}

at::Tensor EndlessStream::take(int64_t first_position, int64_t count) const {
  EQUIPOISE_ASSERT(first_position >= 0 && count >= 0);
  std::vector<at::Tensor> pieces;
  for (int64_t taken = 0; taken < count;) {
    const int64_t position = first_position + taken;
    const int64_t begin = position % size();
    const int64_t length = std::min(count - taken, size() - begin);
    pieces.push_back(order_of(position / size()).narrow(0, begin, length));
    taken += length;
  }
  return pieces.empty() ? at::empty({0}, at::kLong) : at::cat(pieces);
}

}  // namespace equipoise::data
