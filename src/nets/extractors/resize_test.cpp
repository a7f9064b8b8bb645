#include "nets/extractors/resize.h"

#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "nets/extractors/golden_weights.h"

namespace equipoise::nets {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

at::Tensor row(std::vector<float> values) {
  return at::tensor(values).view({1, 1, 1, -1});
}

void expect_row(const at::Tensor& actual, std::vector<float> expected) {
  EXPECT_TRUE(at::allclose(actual, row(std::move(expected)), 1e-6, 1e-5)) << actual;
}

class EveryResizeMode : public testing::TestWithParam<std::string> {};

// PIL, PyTorch, or TensorFlow's rule pixel by pixel (extractors_golden.py).
TEST_P(EveryResizeMode, AgreesWithTheProgramItIsNamedAfter) {
  const std::vector<std::pair<int64_t, int64_t>> sizes{{13, 11}, {4, 3}, {5, 12}};
  for (const auto& [height, width] : sizes) {
    const std::string size = std::to_string(height) + "x" + std::to_string(width);
    const at::Tensor resized =
        resize(golden("resize.input"), height, width, resize_mode_named(GetParam()));
    const at::Tensor expected = golden("resize." + GetParam() + "." + size);
    ASSERT_EQ(resized.sizes(), expected.sizes());
    EXPECT_LT((resized - expected).abs().max().item<double>(), 5e-4) << size;
  }
}

TEST_P(EveryResizeMode, KeepsFlatImagesAndRightSizes) {
  const ResizeMode mode = resize_mode_named(GetParam());
  const at::Tensor flat = at::full({1, 1, 5, 6}, 77.0f);
  EXPECT_TRUE(at::allclose(resize(flat, 8, 3, mode), at::full({1, 1, 8, 3}, 77.0f)));
  EXPECT_TRUE(at::equal(resize(golden("resize.input"), 9, 7, mode), golden("resize.input")));
}

TEST_P(EveryResizeMode, HasTheGradientOfALinearMap) {
  const ResizeMode mode = resize_mode_named(GetParam());
  const at::Tensor images = golden("resize.input").clone().requires_grad_(true);
  const at::Tensor direction = golden("resize.bilinear.4x3");
  resize(images, 4, 3, mode).mul(direction).sum().backward();
  const at::Tensor other = random_normal(1, Purpose::kNoise, at::arange(1), {2, 9, 7}) * 100;
  EXPECT_NEAR((images.grad() * other).sum().item<double>() /
                  (resize(other, 4, 3, mode) * direction).sum().item<double>(),
              1, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Modes, EveryResizeMode,
                         testing::Values("tf_bilinear", "bilinear", "bilinear_antialias", "bicubic",
                                         "bicubic_antialias"),
                         [](const auto& info) { return info.param; });

TEST(Resize, ReadsWhereTheRuleSays) {
  const at::Tensor steps = row({0, 10, 20});
  // Output i reads at i/2; beyond the last pixel it is repeated.
  expect_row(resize(steps, 1, 6, ResizeMode::kTfBilinear), {0, 5, 10, 15, 20, 20});
  // At i/2 - 1/4.
  expect_row(resize(steps, 1, 6, ResizeMode::kBilinear), {0, 2.5, 7.5, 12.5, 17.5, 20});
  expect_row(resize(steps, 1, 6, ResizeMode::kBilinearAntialias), {0, 2.5, 7.5, 12.5, 17.5, 20});
}

TEST(Resize, SeesEveryPixelOnlyWhenAntialiased) {
  const at::Tensor spike = row({0, 0, 0, 100, 0, 0, 0, 0});
  // To two pixels: s = 4, TensorFlow reads pixels 0 and 4.
  expect_row(resize(spike, 1, 2, ResizeMode::kTfBilinear), {0, 0});
  // Centres 1.5 and 5.5 lie between pixels 1, 2 and 5, 6.
  expect_row(resize(spike, 1, 2, ResizeMode::kBilinear), {0, 0});
  // A triangle of half-width 4 about 1.5 weighs pixels 0 to 5 with 2.5, 3.5, 3.5, 2.5, 1.5, 0.5; the
  // second output's are the same from the right.
  expect_row(resize(spike, 1, 2, ResizeMode::kBilinearAntialias),
             {100 * 2.5f / 14, 100 * 1.5f / 14});
}

TEST(Resize, CubicsOvershoot) {
  const at::Tensor edge = row({0, 0, 255, 255});
  EXPECT_GT(resize(edge, 1, 16, ResizeMode::kBicubicAntialias).max().item<double>(), 260);
  EXPECT_LT(resize(edge, 1, 16, ResizeMode::kBicubic).min().item<double>(), -5);
}

TEST(Resize, RefusesWhatCannotBe) {
  EXPECT_THAT(
      [] {
        resize(at::zeros({1, 1, 4, 4}), 4, 5, ResizeMode::kNone);
      },
      ThrowsMessage<UsageError>(AllOf(HasSubstr("4 x 4"), HasSubstr("4 x 5"))));
  EXPECT_THROW(resize(at::zeros({1, 1, 4, 4}), 0, 5, ResizeMode::kBilinear), UsageError);
  EXPECT_THROW(resize(at::zeros({4, 4}), 5, 5, ResizeMode::kBilinear), UsageError);
  EXPECT_TRUE(
      at::equal(resize(at::ones({1, 1, 4, 4}), 4, 4, ResizeMode::kNone), at::ones({1, 1, 4, 4})));
}

TEST(ResizeMode, IsKnownByItsName) {
  for (const std::string& name : resize_mode_names())
    EXPECT_EQ(to_text(resize_mode_named(name)), name);
  EXPECT_THAT([] { resize_mode_named("bicubic_antialised"); },
              ThrowsMessage<UsageError>(HasSubstr("bicubic_antialias")));
}

}  // namespace
}  // namespace equipoise::nets
