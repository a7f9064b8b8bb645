#include "core/random.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "core/check.h"
#include "core/device_random.h"
#include "core/error.h"

namespace equipoise {
namespace {

template <class Fill>
at::Tensor fill_rows(const at::Tensor& indices, at::IntArrayRef item_shape, Fill fill) {
  EQUIPOISE_ASSERT(indices.scalar_type() == at::kLong && indices.device().is_cpu());
  const at::Tensor rows = indices.contiguous();
  std::vector<int64_t> shape{rows.numel()};
  shape.insert(shape.end(), item_shape.begin(), item_shape.end());
  at::Tensor out = at::empty(shape, at::kFloat);
  const int64_t width = rows.numel() > 0 ? out.numel() / rows.numel() : 0;
  float* data = out.data_ptr<float>();
  for (int64_t i = 0; i < rows.numel(); ++i)
    fill(i, static_cast<uint64_t>(rows.data_ptr<int64_t>()[i]), data + i * width, width);
  return out;
}

}  // namespace

std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, PhiloxKey key) {
  uint32_t words[4][1] = {{counter[0]}, {counter[1]}, {counter[2]}, {counter[3]}};
  philox_blocks<1>(words, key);
  return {words[0][0], words[1][0], words[2][0], words[3][0]};
}

// The seed mixed with purpose and part.
PhiloxKey stream_key(uint64_t seed, Purpose purpose, uint32_t part) {
  const auto mixed = philox({static_cast<uint32_t>(purpose), part, 0, 0},
                            {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return {mixed[0], mixed[1]};
}

// Counter = (position in the stream, image index).
RandomStream::RandomStream(uint64_t seed, Purpose purpose, uint64_t index, uint32_t part)
    : counter_{0, 0, static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32)},
      key_(stream_key(seed, purpose, part)) {}

uint32_t RandomStream::next() {
  if (used_ == 4) {
    block_ = philox(counter_, key_);
    if (++counter_[0] == 0) ++counter_[1];
    used_ = 0;
  }
  return block_[used_++];
}

uint64_t RandomStream::next64() {
  const uint64_t high = next();
  return high << 32 | next();
}

double RandomStream::uniform() {
  return (static_cast<double>(next64() >> 11) + 0.5) * 0x1p-53;
}

double RandomStream::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const double radius = std::sqrt(-2 * std::log(uniform()));
  const double angle = 2 * std::numbers::pi * uniform();
  spare_ = radius * std::sin(angle);
  has_spare_ = true;
  return radius * std::cos(angle);
}

uint64_t RandomStream::below(uint64_t bound) {
  EQUIPOISE_ASSERT(bound > 0);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t draw = next64();
  while (draw >= limit) draw = next64();
  return draw % bound;
}

void RandomStream::fill_normal(float* out, int64_t count) {
  constexpr float kTwoPi = 2 * std::numbers::pi_v<float>;
  for (int64_t i = 0; i < count; i += 2) {
    const float radius = std::sqrt(-2 * std::log(open_unit(next())));
    const float angle = kTwoPi * open_unit(next());
    out[i] = radius * std::cos(angle);
    if (i + 1 < count) out[i + 1] = radius * std::sin(angle);
  }
}

void RandomStream::fill_uniform(float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = open_unit(next());
}

at::Tensor random_normal(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                         at::IntArrayRef item_shape, uint32_t part) {
  if (indices.is_cuda())
    return device::normal_rows(stream_key(seed, purpose, part), indices, item_shape);
  return fill_rows(indices, item_shape, [&](int64_t, uint64_t index, float* row, int64_t width) {
    RandomStream(seed, purpose, index, part).fill_normal(row, width);
  });
}

at::Tensor random_normal(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                         at::IntArrayRef item_shape, const at::Tensor& parts) {
  EQUIPOISE_ASSERT(parts.scalar_type() == at::kLong && parts.numel() == indices.numel());
  const at::Tensor part_of = parts.contiguous();
  return fill_rows(indices, item_shape, [&](int64_t i, uint64_t index, float* row, int64_t width) {
    const auto part = static_cast<uint32_t>(part_of.data_ptr<int64_t>()[i]);
    RandomStream(seed, purpose, index, part).fill_normal(row, width);
  });
}

at::Tensor random_uniform(uint64_t seed, Purpose purpose, const at::Tensor& indices,
                          at::IntArrayRef item_shape, uint32_t part) {
  if (indices.is_cuda())
    return device::uniform_rows(stream_key(seed, purpose, part), indices, item_shape);
  return fill_rows(indices, item_shape, [&](int64_t, uint64_t index, float* row, int64_t width) {
    RandomStream(seed, purpose, index, part).fill_uniform(row, width);
  });
}

at::Tensor random_permutation(RandomStream stream, int64_t count) {
  at::Tensor order = at::arange(count, at::kLong);
  int64_t* data = order.data_ptr<int64_t>();
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(data[i], data[stream.below(static_cast<uint64_t>(i) + 1)]);
  return order;
}

}  // namespace equipoise
