// Moves an image by an affine map without aliasing.
#pragma once

#include <array>

#include <torch/types.h>

namespace equipoise::data {

/// x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5], in pixels from the image's centre.
struct AffineMap {
  std::array<double, 6> m{1, 0, 0, 0, 1, 0};

  static AffineMap scale(double x, double y) { return {{x, 0, 0, 0, y, 0}}; }
  static AffineMap rotation(double angle);
  static AffineMap shift(double x, double y) { return {{1, 0, x, 0, 1, y}}; }
  /// First `inner`, then this.
  AffineMap after(const AffineMap& inner) const;
  std::array<double, 2> apply(double x, double y) const {
    return {m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]};
  }
};

/// The image whose pixel at p shows `image` at source(p): [C,H,W] float32 on the CPU, H and W >= 2,
/// to the same shape.
///
/// The image, continued by reflection to W - 1 and H - 1 pixels beyond its border and by zeros
/// further out, is doubled in size with the low-pass filter of the sym6 wavelet, sampled
/// bilinearly, and halved with the same filter. The filters are orthonormal: for a shift by whole
/// pixels they undo each other.
/// Source: Karras et al. 2020 (arXiv:2006.06676), App. B; filter: Daubechies 1992, Ten Lectures on
/// Wavelets, Sec. 6.4.
at::Tensor resample(const at::Tensor& image, const AffineMap& source);

}  // namespace equipoise::data
