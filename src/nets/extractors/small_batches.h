// Few images at a time: what a layer hands to the next then stays in the cache.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <ATen/ATen.h>

namespace equipoise::nets {

/// Measured on one thread against 64 at a time: 3.6 times the speed for mobilenet_v2, 1.5 and 1.2
/// times for the face networks.
inline constexpr int64_t kImagesAtATime = 4;

/// Joins compute(begin, end) over images 0..count - 1 along the first axis. count > 0.
template <class Compute>
at::Tensor in_small_batches(int64_t count, const Compute& compute) {
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += kImagesAtATime)
    parts.push_back(compute(begin, std::min(begin + kImagesAtATime, count)));
  return at::cat(parts);
}

}  // namespace equipoise::nets
