#include "data/augment.h"

#include <cmath>
#include <numbers>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/random.h"
#include "data/affine_resample.h"
#include "data/test_files.h"

namespace equipoise::data {
namespace {

using testing::HasSubstr;

at::Tensor noise_image(int64_t channels, int64_t height, int64_t width) {
  return random_normal(3, Purpose::kToyData, indices({0}), {channels, height, width})[0];
}

/// Low frequencies only, so that resampling loses nothing of it.
at::Tensor smooth_image(int64_t size) {
  const at::Tensor x =
      at::arange(size, at::kFloat).sub((static_cast<double>(size) - 1) / 2).view({1, 1, size});
  const at::Tensor y = x.view({1, size, 1});
  return (x * 0.3).sin() * (y * 0.2).cos() + (x * 0.15 + y * 0.25).cos();
}

double max_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor inside(const at::Tensor& image, int64_t margin) {
  return image.slice(1, margin, image.size(1) - margin).slice(2, margin, image.size(2) - margin);
}

/// The same operation from ATen's parts, as its published description reads: pad by reflection,
/// insert zeros and filter, sample on a grid, filter and drop every other pixel.
at::Tensor resample_by_aten(const at::Tensor& image, const AffineMap& source) {
  const std::vector<float> taps = {
      0.015404109327027373f, 0.0034907120842174702f, -0.11799011114819057f,
      -0.048311742585633f,   0.4910559419267466f,    0.787641141030194f,
      0.3379294217276218f,   -0.07263752278646252f,  -0.021060292512300564f,
      0.04472490177066578f,  0.0017677118642428036f, -0.007800708325034148f};
  const int64_t height = image.size(1), width = image.size(2);
  const at::Tensor filter = at::tensor(taps), flipped = filter.flip({0});
  const int64_t left = width - 1, top = height - 1;
  // Channels as a batch.
  at::Tensor x = at::reflection_pad2d(image.unsqueeze(1), {left, left, top, top});
  at::Tensor spread = at::zeros({x.size(0), 1, 2 * x.size(2) - 1, 2 * x.size(3) - 1});
  spread.slice(2, 0, spread.size(2), 2).slice(3, 0, spread.size(3), 2).copy_(x);
  x = at::conv2d(spread, flipped.view({1, 1, 1, 12}), {}, 1, at::IntArrayRef({0, 6}));
  x = at::conv2d(x, flipped.view({1, 1, 12, 1}), {}, 1, at::IntArrayRef({6, 0}));
  // In the doubled image: translations double, and the origin moves by half a pixel.
  const auto& m = source.m;
  const AffineMap doubled = AffineMap::shift(-0.5, -0.5)
                                .after({{m[0], m[1], 2 * m[2], m[3], m[4], 2 * m[5]}})
                                .after(AffineMap::shift(0.5, 0.5));
  const int64_t out_height = 2 * (height + 6), out_width = 2 * (width + 6);
  const auto in_w = static_cast<double>(x.size(3)), in_h = static_cast<double>(x.size(2));
  const AffineMap normalised = AffineMap::scale(2 / in_w, 2 / in_h)
                                   .after(doubled)
                                   .after(AffineMap::scale(static_cast<double>(out_width) / 2,
                                                           static_cast<double>(out_height) / 2));
  const auto& n = normalised.m;
  const at::Tensor theta =
      at::tensor(std::vector<double>(n.begin(), n.end())).to(at::kFloat).view({1, 2, 3});
  const at::Tensor grid = at::affine_grid_generator(theta, {1, 1, out_height, out_width}, false);
  x = at::grid_sampler(x, grid.expand({x.size(0), out_height, out_width, 2}), 0, 0, false);
  x = at::conv2d(x, filter.view({1, 1, 1, 12}), {}, at::IntArrayRef({1, 2}),
                 at::IntArrayRef({0, 5}));
  x = at::conv2d(x, filter.view({1, 1, 12, 1}), {}, at::IntArrayRef({2, 1}),
                 at::IntArrayRef({5, 0}));
  return x.slice(2, 3, -3).slice(3, 3, -3).squeeze(1);
}

TEST(Resample, AgreesWithTheSameStepsInATen) {
  const at::Tensor image = noise_image(3, 16, 12);
  const std::vector<AffineMap> maps = {
      {},
      AffineMap::shift(1.3, -2.6),
      AffineMap::rotation(0.7),
      AffineMap::scale(1.4, 1.4).after(AffineMap::rotation(-2.1)).after(AffineMap::shift(3.2, 0.4)),
      AffineMap::rotation(0.4).after(AffineMap::scale(0.6, 1.7)).after(AffineMap::rotation(-0.4)),
      AffineMap::shift(25, 3)};
  for (size_t i = 0; i < maps.size(); ++i)
    EXPECT_LT(max_difference(resample(image, maps[i]), resample_by_aten(image, maps[i])), 2e-4)
        << "map " << i;
}

TEST(Resample, IdentityAndWholeShiftsAreExact) {
  const at::Tensor image = noise_image(2, 9, 11);
  EXPECT_LT(max_difference(resample(image, {}), image), 1e-5);
  // Shows what lies 3 left and 2 up.
  const at::Tensor shifted = resample(image, AffineMap::shift(-3, -2));
  EXPECT_LT(max_difference(shifted.slice(1, 2).slice(2, 3), image.slice(1, 0, -2).slice(2, 0, -3)),
            1e-5);
  EXPECT_LT(
      max_difference(shifted.select(2, 0), resample(image, AffineMap::shift(0, -2)).select(2, 3)),
      1e-5)
      << "beyond the border the image is reflected";
}

TEST(Resample, QuarterTurnsAreExactInside) {
  const at::Tensor image = smooth_image(24);
  const at::Tensor turned = resample(image, AffineMap::rotation(std::numbers::pi / 2));
  // Pixel (x, y) shows source (-y, x): rows become columns.
  // sym6 is not quite symmetric: what is turned moves by a tenth of a pixel, at slopes up to 0.5 a
  // pixel.
  EXPECT_LT(max_difference(inside(turned, 6), inside(image.transpose(1, 2).flip({1}), 6)), 0.05);
  EXPECT_GT(max_difference(inside(turned, 6), inside(image.transpose(1, 2).flip({2}), 6)), 0.5);
}

TEST(Augment, ZeroProbabilityChangesNothing) {
  const at::Tensor images = noise_image(6, 8, 8).view({2, 3, 8, 8});
  const Augmented augmented = augment(images, indices({4, 5}), {}, 1);
  EXPECT_TRUE(at::equal(augmented.images, images));
  EXPECT_EQ(augmented.labels.abs().sum().item<float>(), 0);
}

TEST(Augment, TinyProbabilityOnlyFlipsLeftAndRight) {
  AugmentConfig config;
  config.probability = 1e-7;  // times 1e8: the coin is always tossed
  const at::Tensor images = noise_image(200 * 3, 4, 4).view({200, 3, 4, 4});
  const Augmented augmented = augment(images, at::arange(200), config, 1);
  const at::Tensor is_flipped = augmented.labels.select(1, 0);
  EXPECT_NEAR(is_flipped.mean().item<double>(), 0.5, 0.18) << "five standard errors";
  EXPECT_EQ(augmented.labels.slice(1, 1).abs().sum().item<float>(), 0);
  EXPECT_TRUE(at::equal(augmented.images,
                        at::where(is_flipped.view({200, 1, 1, 1}) == 1, images.flip({3}), images)));
}

TEST(Augment, EachChangeHappensAtItsRate) {
  AugmentConfig config;
  config.probability = 0.12;
  std::array<int64_t, kNumAugmentLabels> counts{};
  constexpr int64_t kDraws = 20000;
  for (int64_t i = 0; i < kDraws; ++i) {
    const auto labels = draw_augmentation(config, 1, i).labels();
    for (size_t k = 0; k < labels.size(); ++k) counts[k] += labels[k] != 0 ? 1 : 0;
  }
  const std::array<double, kNumAugmentLabels> rates = {0.5,  0.06, 0.12, 0.12, 0.12,
                                                       0.12, 0.06, 0.12, 0.12};
  for (size_t k = 0; k < rates.size(); ++k) {
    const double rate = rates[k];
    const double standard_error = std::sqrt(rate * (1 - rate) / kDraws);
    EXPECT_NEAR(static_cast<double>(counts[k]) / kDraws, rate, 5 * standard_error) << "label " << k;
  }
}

TEST(Augment, LabelsSayWhatHappened) {
  AugmentDraw draw;
  draw.y_flip = true;
  draw.log2_scale = -0.5;
  draw.angle = 2;
  draw.anisotropy = 1.5;
  draw.anisotropy_axis = -1;
  draw.shift_x = 0.25;
  draw.shift_y = -0.75;
  const auto labels = draw.labels();
  const std::array<double, 9> expected = {
      0,    1,    -0.5, std::cos(2) - 1, std::sin(2), 1.5 * std::cos(-1), 1.5 * std::sin(-1),
      0.25, -0.75};
  for (size_t k = 0; k < expected.size(); ++k)
    EXPECT_FLOAT_EQ(labels[k], static_cast<float>(expected[k])) << k;
}

TEST(AugmentImage, MovesThingsTheWayTheLabelsSay) {
  const at::Tensor image = smooth_image(32);
  const AugmentConfig config;
  AugmentDraw right;
  right.shift_x = 1;  // 0.125 * 32 = 4 pixels
  EXPECT_LT(max_difference(augment_image(image, config, right).slice(2, 4), image.slice(2, 0, -4)),
            1e-5);
  AugmentDraw down;
  down.shift_y = 1;
  EXPECT_LT(max_difference(augment_image(image, config, down).slice(1, 4), image.slice(1, 0, -4)),
            1e-5);

  AugmentDraw larger;
  larger.log2_scale = 5;  // 5 * 0.2 octaves: twice as large
  const at::Tensor zoomed = augment_image(image, config, larger);
  // Twice as large about the centre between pixels 15 and 16: output 15.5 + 2 d shows input 15.5 +
  // d.
  const double at_three = image[0][17][18].item<double>();  // d = (2.5, 1.5)
  const at::Tensor around = zoomed[0].slice(0, 18, 20).slice(1, 20, 22);
  EXPECT_NEAR(around.mean().item<double>(), at_three, 0.03);

  AugmentDraw stretched;
  stretched.anisotropy = 5;  // twice as wide, half as high
  const at::Tensor wide = augment_image(image, config, stretched);
  const at::Tensor expected = resample(image, AffineMap::scale(0.5, 2));
  EXPECT_TRUE(at::equal(wide, expected));
  EXPECT_GT(max_difference(wide, resample(image, AffineMap::scale(2, 0.5))), 0.1);
}

TEST(Augment, GivesTheSameImageInAnyBatch) {
  AugmentConfig config;
  config.probability = 0.8;
  const at::Tensor images = noise_image(10 * 3, 8, 8).view({10, 3, 8, 8});
  const Augmented whole = augment(images, at::arange(10), config, 7);
  for (int64_t i = 0; i < 10; ++i) {
    const Augmented alone = augment(images.narrow(0, i, 1), indices({i}), config, 7);
    EXPECT_TRUE(at::equal(alone.images[0], whole.images[i]));
    EXPECT_TRUE(at::equal(alone.labels[0], whole.labels[i]));
  }
  EXPECT_FALSE(at::equal(augment(images, at::arange(10), config, 8).labels, whole.labels));
}

TEST(Augment, RefusesOtherShapes) {
  EXPECT_THAT(error_of([] {
                augment(at::zeros({2, 2}), indices({0, 1}), {}, 0);
              }),
              HasSubstr("images"));
  EXPECT_THAT(error_of([] {
                augment(at::zeros({2, 1, 2, 2}), indices({0}), {}, 0);
              }),
              HasSubstr("image_numbers"));
}

}  // namespace
}  // namespace equipoise::data
