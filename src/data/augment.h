// The augmentation pipe of EDM: geometric changes whose parameters the network is told, so that
// they do not leak into what it generates.
#pragma once

#include <array>
#include <cstdint>

#include <torch/types.h>

#include "core/fields.h"

namespace equipoise::data {

inline constexpr int64_t kNumAugmentLabels = 9;

/// Each change is applied with probability min(1, probability * its factor). EDM's settings are the
/// defaults.
struct AugmentConfig {
  double probability = 0;  ///< 0 = no augmentation at all
  double x_flip = 1e8;     ///< so large that the coin is always tossed
  double y_flip = 1;
  double scale = 1;
  double rotate = 1;
  double anisotropy = 1;
  double translate = 1;
  double scale_std = 0.2;
  double anisotropy_std = 0.2;
  double anisotropy_rotate_probability = 0.5;
  double translate_std = 0.125;

  bool is_on() const { return probability > 0; }
  void fields(FieldVisitor& f) {
    f("probability", probability, "", "chance of each change; 0 turns augmentation off", {0, 1});
    f("x_flip", x_flip, "", "factor on the chance of tossing a coin for a left-right flip",
      {0, 1e8});
    f("y_flip", y_flip, "", "factor for the top-bottom flip", {0, 1e8});
    f("scale", scale, "", "factor for zooming", {0, 1e8});
    f("rotate", rotate, "", "factor for turning by any angle", {0, 1e8});
    f("anisotropy", anisotropy, "", "factor for stretching along one axis", {0, 1e8});
    f("translate", translate, "", "factor for shifting", {0, 1e8});
    f("scale_std", scale_std, "octaves", "spread of the zoom", {0, 2});
    f("anisotropy_std", anisotropy_std, "octaves", "spread of the stretch", {0, 2});
    f("anisotropy_rotate_probability", anisotropy_rotate_probability, "",
      "chance that the stretch follows a random axis instead of x", {0, 1});
    f("translate_std", translate_std, "image sizes", "spread of the shift", {0, 1});
  }
};

/// What happens to one image.
struct AugmentDraw {
  bool x_flip = false, y_flip = false;
  double log2_scale = 0;       ///< in units of scale_std
  double angle = 0;            ///< radians
  double anisotropy = 0;       ///< in units of anisotropy_std
  double anisotropy_axis = 0;  ///< radians
  double shift_x = 0,
         shift_y = 0;  ///< in units of translate_std * image size; positive = right, down

  bool is_geometric() const;  ///< more than flips
  /// x-flip, y-flip, log2-scale, cos(angle) - 1, sin(angle), anisotropy cos(axis), anisotropy
  /// sin(axis), shift x, y.
  std::array<float, kNumAugmentLabels> labels() const;
};

/// Random: stream (seed, kAugment, image_number); every number is drawn whether used or not.
AugmentDraw draw_augmentation(const AugmentConfig& config, uint64_t seed, int64_t image_number);

/// Applies `draw` to one image [C,H,W] float32 on the CPU, H and W >= 2; returns a new tensor.
///
/// Flips move pixels; the rest is one affine map, carried out band-limited (affine_resample.h), and
/// skipped where it is the identity, for there the filters would undo each other.
/// Source: Karras et al. 2022 (arXiv:2206.00364), App. F.2; Karras et al. 2020 (arXiv:2006.06676),
/// App. B.
/// Differs: each image is continued as far as it needs; in EDM's release the most demanding image
/// of the mini-batch decides for all, and a strong zoom can reach beyond that.
at::Tensor augment_image(const at::Tensor& image, const AugmentConfig& config,
                         const AugmentDraw& draw);

struct Augmented {
  at::Tensor images;  ///< [B,C,H,W] float32
  at::Tensor labels;  ///< [B,9] float32
};
/// Draws and applies for a mini-batch. Shapes: images [B,C,H,W] float32, image_numbers [B] int64.
/// Throws UsageError when shapes disagree. The result for an image does not depend on its batch.
Augmented augment(const at::Tensor& images, const at::Tensor& image_numbers,
                  const AugmentConfig& config, uint64_t seed);

}  // namespace equipoise::data
