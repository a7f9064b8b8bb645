#include "metrics/row_order.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include <ATen/ATen.h>

#include "core/check.h"

namespace equipoise::metrics {
namespace {

uint64_t hash_of(const unsigned char* bytes, int64_t count) {
  uint64_t hash = 0xcbf29ce484222325;
  for (int64_t i = 0; i < count; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

}  // namespace

at::Tensor content_order(const at::Tensor& rows) {
  check_shape(rows, {kAny, kAny}, "rows");
  const at::Tensor flat = rows.to(at::kCPU).contiguous();
  const int64_t row_bytes = flat.size(1) * static_cast<int64_t>(flat.element_size());
  const auto* bytes = static_cast<const unsigned char*>(flat.data_ptr());
  std::vector<uint64_t> hashes(flat.size(0));
  for (size_t i = 0; i < hashes.size(); ++i)
    hashes[i] = hash_of(bytes + static_cast<int64_t>(i) * row_bytes, row_bytes);
  at::Tensor order = at::arange(flat.size(0), at::kLong);
  int64_t* index = order.data_ptr<int64_t>();
  std::sort(index, index + order.numel(),
            [&](int64_t a, int64_t b) { return hashes[a] < hashes[b]; });
  return order;
}

at::Tensor random_part(const at::Tensor& order, int64_t count, const RandomStream& stream) {
  check_range(static_cast<double>(count), 0, static_cast<double>(order.numel()), "count");
  return order.index_select(0, random_permutation(stream, order.numel()).slice(0, 0, count));
}

}  // namespace equipoise::metrics
