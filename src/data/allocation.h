// Whole numbers in given proportions.
#pragma once

#include <cstdint>
#include <vector>

namespace equipoise::data {

/// Divides `total` in proportion to `weights` (>= 0, not all zero unless total is 0): every part is
/// rounded down, and what is left goes to the largest remainders, the first of equals first. The
/// parts add up to `total`.
std::vector<int64_t> allocate(int64_t total, const std::vector<double>& weights);

}  // namespace equipoise::data
