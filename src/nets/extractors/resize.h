// Resizing by the named rules of the published feature extractors. Another rule gives other
// features, so every measured distance has to say which one it used.
//
//   tf_bilinear         TensorFlow 1: output i reads at i * in/out, no antialiasing; FID as first
//                       published
//   bilinear            pixel centres aligned, no antialiasing: PyTorch's interpolate
//   bilinear_antialias  a triangle as wide as an output pixel: PIL
//   bicubic             pixel centres aligned, no antialiasing, a = -0.75: PyTorch's interpolate
//   bicubic_antialias   a cubic as wide as an output pixel, a = -0.5: PIL; clean-fid
//   none                the images have the right size already
//
// Enlarging, the antialiased rules differ from the others at the edges (and in a) only. Shrinking,
// prefer them: the others skip pixels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <torch/types.h>

namespace equipoise::nets {

enum class ResizeMode {
  kTfBilinear,
  kBilinear,
  kBilinearAntialias,
  kBicubic,
  kBicubicAntialias,
  kNone,
};

std::string to_text(ResizeMode mode);
/// Throws UsageError listing the names above and the nearest one.
ResizeMode resize_mode_named(const std::string& name);
std::vector<std::string> resize_mode_names();

/// Resizes each axis apart: out = R_height image R_width^T, row i of R holding the weights of output
/// i.
///
///   weight of input x ~ k((x - c) / w),  c = (i + 1/2) s - 1/2  (tf_bilinear: i s),  s = in / out
///   k triangle or cubic (Keys 1981); w = max(s, 1) when antialiased, else 1
///
/// Antialiased rules leave out what lies beyond the edge and scale the rest to sum to 1; the others
/// repeat the edge pixel. Nothing is rounded or clipped: cubics overshoot.
/// Shapes: images [N,C,H,W] float; returns [N,C,height,width]. Differentiable.
/// Throws: UsageError when a size is not positive, or by kNone when the sizes differ.
at::Tensor resize(const at::Tensor& images, int64_t height, int64_t width, ResizeMode mode);

}  // namespace equipoise::nets
