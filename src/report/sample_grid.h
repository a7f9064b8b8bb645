// Samples as one picture.
#pragma once

#include <string>

#include <torch/types.h>

namespace equipoise::report {

/// A PNG of `images` in rows of `columns`, without gaps; the last row is filled up with black.
///
/// Shapes: images uint8 [N,C,H,W], N >= 1, C = 1 or 3. Throws UsageError for anything else or columns < 1.
std::string encode_grid_png(const at::Tensor& images, int64_t columns);

}  // namespace equipoise::report
