#include "data/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "core/error.h"
#include "core/random.h"
#include "data/affine_resample.h"

namespace equipoise::data {
namespace {

/// Affine map from where a pixel will be to where it comes from.
AffineMap source_map(const AugmentConfig& config, const AugmentDraw& draw, double width,
                     double height) {
  const double zoom = std::exp2(draw.log2_scale * config.scale_std);
  const double stretch = std::exp2(draw.anisotropy * config.anisotropy_std);
  return AffineMap::scale(1 / zoom, 1 / zoom)
      .after(AffineMap::rotation(draw.angle))
      .after(AffineMap::rotation(-draw.anisotropy_axis))
      .after(AffineMap::scale(1 / stretch, stretch))
      .after(AffineMap::rotation(draw.anisotropy_axis))
      .after(AffineMap::shift(-draw.shift_x * config.translate_std * width,
                              -draw.shift_y * config.translate_std * height));
}

}  // namespace

bool AugmentDraw::is_geometric() const {
  return log2_scale != 0 || angle != 0 || anisotropy != 0 || shift_x != 0 || shift_y != 0;
}

std::array<float, kNumAugmentLabels> AugmentDraw::labels() const {
  const auto as_float = [](double value) { return static_cast<float>(value); };
  return {x_flip ? 1.f : 0.f,
          y_flip ? 1.f : 0.f,
          as_float(log2_scale),
          as_float(std::cos(angle) - 1),
          as_float(std::sin(angle)),
          as_float(anisotropy * std::cos(anisotropy_axis)),
          as_float(anisotropy * std::sin(anisotropy_axis)),
          as_float(shift_x),
          as_float(shift_y)};
}

AugmentDraw draw_augmentation(const AugmentConfig& config, uint64_t seed, int64_t image_number) {
  RandomStream random(seed, Purpose::kAugment, static_cast<uint64_t>(image_number));
  const auto happens = [&](double factor) {
    return random.uniform() < factor * config.probability;
  };
  const auto any_angle = [&] { return (2 * random.uniform() - 1) * std::numbers::pi; };
  AugmentDraw draw;
  const bool x_coin = random.below(2) == 1;
  draw.x_flip = happens(config.x_flip) && x_coin;
  const bool y_coin = random.below(2) == 1;
  draw.y_flip = happens(config.y_flip) && y_coin;
  const double log2_scale = random.normal();
  if (happens(config.scale)) draw.log2_scale = log2_scale;
  const double angle = any_angle();
  if (happens(config.rotate)) draw.angle = angle;
  const double anisotropy = random.normal(), axis = any_angle();
  if (happens(config.anisotropy)) draw.anisotropy = anisotropy;
  if (random.uniform() < config.anisotropy_rotate_probability) draw.anisotropy_axis = axis;
  const double shift_x = random.normal(), shift_y = random.normal();
  if (happens(config.translate)) {
    draw.shift_x = shift_x;
    draw.shift_y = shift_y;
  }
  return draw;
}

at::Tensor augment_image(const at::Tensor& image, const AugmentConfig& config,
                         const AugmentDraw& draw) {
  at::Tensor changed = image.clone();
  if (draw.x_flip) changed = changed.flip({2});
  if (draw.y_flip) changed = changed.flip({1});
  if (!draw.is_geometric()) return changed;
  const auto width = static_cast<double>(image.size(2)),
             height = static_cast<double>(image.size(1));
  return resample(changed, source_map(config, draw, width, height));
}

Augmented augment(const at::Tensor& images, const at::Tensor& image_numbers,
                  const AugmentConfig& config, uint64_t seed) {
  check_shape(images, {kAny, kAny, kAny, kAny}, "images");
  check_shape(image_numbers, {images.size(0)}, "image_numbers");
  Augmented augmented{at::empty_like(images),
                      at::empty({images.size(0), kNumAugmentLabels}, at::kFloat)};
  for (int64_t i = 0; i < images.size(0); ++i) {
    const AugmentDraw draw = draw_augmentation(config, seed, image_numbers[i].item<int64_t>());
    augmented.images[i].copy_(augment_image(images[i], config, draw));
    const auto labels = draw.labels();
    std::copy(labels.begin(), labels.end(),
              augmented.labels.data_ptr<float>() + i * kNumAugmentLabels);
  }
  return augmented;
}

}  // namespace equipoise::data
