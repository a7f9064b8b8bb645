#include "report/sample_grid.h"

#include "core/check.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "io/image_codec.h"

namespace equipoise::report {

std::string encode_grid_png(const at::Tensor& images, int64_t columns) {
  check_shape(images, {kAny, kAny, kAny, kAny}, "images");
  check_range(static_cast<double>(columns), 1, 1e6, "columns");
  const int64_t count = images.size(0), channels = images.size(1), height = images.size(2),
                width = images.size(3);
  if (count < 1 || (channels != 1 && channels != 3) || images.scalar_type() != at::kByte) {
    throw UsageError({.where = "images",
                      .what = "these cannot be shown as a grid",
                      .got = describe(images),
                      .expected = "at least one image, 1 or 3 channels, bytes"});
  }
  const int64_t rows = (count + columns - 1) / columns;
  at::Tensor tiles = at::zeros({rows * columns, channels, height, width}, images.options());
  tiles.narrow(0, 0, count).copy_(images);
  // [rows, columns, C, H, W] -> [C, rows, H, columns, W]
  tiles = tiles.view({rows, columns, channels, height, width}).permute({2, 0, 3, 1, 4});
  return io::encode_png(tiles.reshape({channels, rows * height, columns * width}));
}

std::string encode_first_images_png(const at::Tensor& images) {
  return encode_grid_png(images.slice(0, 0, 80), /*columns=*/10);
}

std::string encode_density_png(const at::Tensor& points) {
  if (points.dim() != 2 || points.size(1) != 2 || points.scalar_type() != at::kFloat ||
      points.size(0) < 1)
    throw UsageError({.where = "density",
                      .what = "these cannot be shown as a density",
                      .got = describe(points),
                      .expected = "points [N,2] of floats",
                      .hint = ""});
  constexpr int64_t kCells = 96;
  constexpr double kHalfWidth = 6;
  const at::Tensor cells =
      ((points + kHalfWidth) * (kCells / (2 * kHalfWidth))).floor().to(at::kLong);
  const at::Tensor inside = cells.ge(0).logical_and(cells.lt(kCells)).all(1);
  const at::Tensor column = cells.select(1, 0).masked_select(inside);
  const at::Tensor row = kCells - 1 - cells.select(1, 1).masked_select(inside);
  const at::Tensor counts =
      at::bincount(row * kCells + column, {}, kCells * kCells).to(at::kFloat).sqrt();
  const at::Tensor grey = counts.mul(255).div(counts.max().clamp_min(1)).to(at::kByte);
  return io::encode_png(grey.view({1, kCells, kCells}));
}

}  // namespace equipoise::report
