// Samples as one picture.
#pragma once

#include <string>

#include <torch/types.h>

namespace equipoise::report {

/// A PNG of `images` in rows of `columns`, without gaps; the last row is filled up with black.
///
/// Shapes: images uint8 [N,C,H,W], N >= 1, C = 1 or 3. Throws UsageError for anything else or
/// columns < 1.
std::string encode_grid_png(const at::Tensor& images, int64_t columns);

/// The first 80 of `images`, in rows of ten: what is kept of every sample set and preview.
std::string encode_first_images_png(const at::Tensor& images);

/// A PNG of 96 x 96 cells over [-6, 6]^2, brighter where more of `points` lie (square root of the
/// count, brightest cell white); the first coordinate runs to the right, the second up. Points
/// outside are left out.
///
/// Shapes: points float32 [N,2], N >= 1. Throws UsageError for anything else.
std::string encode_density_png(const at::Tensor& points);

}  // namespace equipoise::report
