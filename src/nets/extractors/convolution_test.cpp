#include "nets/extractors/convolution.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/normal_fixture.h"

namespace equipoise::nets {
namespace {

at::Tensor row(std::vector<float> values) {
  return at::tensor(values).view({1, 1, 1, -1});
}

void expect_row(const at::Tensor& actual, std::vector<float> expected) {
  EXPECT_TRUE(at::equal(actual, row(std::move(expected)))) << actual;
}

// Which pixels a window holds, told by their powers of ten.
Convolution sum_of_three(int64_t stride, Padding padding) {
  return {.weight = at::ones({1, 1, 1, 3}), .bias = {}, .stride = stride, .padding = padding};
}

TEST(PaddedConvolution, PadsTheOddPixelAtTheEnd) {
  const at::Tensor even = row({1, 10, 100, 1000});
  expect_row(sum_of_three(2, Padding::kSame)(even), {111, 1100});
  expect_row(sum_of_three(2, Padding::kValid)(even), {111});
}

TEST(PaddedConvolution, PadsBothEndsWhenTheNumberIsEven) {
  expect_row(sum_of_three(1, Padding::kSame)(row({1, 10, 100})), {11, 111, 110});
  expect_row(sum_of_three(2, Padding::kSame)(row({1, 10, 100})), {11, 110});
}

TEST(PaddedConvolution, PadsRowsAndColumnsApart) {
  const Convolution tall{.weight = at::ones({1, 1, 3, 1}), .bias = {}, .stride = 2};
  const at::Tensor column = row({1, 10, 100, 1000}).transpose(2, 3);
  EXPECT_TRUE(at::equal(tall(column), row({111, 1100}).transpose(2, 3)));
  EXPECT_TRUE(at::equal(Convolution{.weight = at::ones({1, 1, 1, 1}), .bias = {}, .stride = 2}(
                            row({1, 10, 100, 1000})),
                        row({1, 100})));
}

TEST(PaddedConvolution, TakesTheNumberOfGroupsFromTheImage) {
  const Convolution depthwise{.weight = at::tensor({2.0f, 3.0f}).view({2, 1, 1, 1}), .bias = {}};
  const at::Tensor x = at::ones({1, 2, 1, 1});
  EXPECT_TRUE(at::equal(depthwise(x), at::tensor({2.0f, 3.0f}).view({1, 2, 1, 1})));
}

TEST(PaddedConvolution, IsTheSameWithScaleAndShiftFoldedIn) {
  const Convolution plain{.weight = normal_items({4, 3, 3, 3}, 0), .bias = normal_items({4}, 1)};
  const Convolution unbiased{.weight = plain.weight, .bias = {}};
  const at::Tensor scale = normal_items({4}, 2), shift = normal_items({4}, 3),
                   x = normal_items({2, 3, 5, 6}, 4);
  const auto after = [&](const at::Tensor& y) {
    return y * scale.view({-1, 1, 1}) + shift.view({-1, 1, 1});
  };
  EXPECT_TRUE(at::allclose(folded(plain, scale, shift)(x), after(plain(x)), 1e-4, 1e-5));
  EXPECT_TRUE(at::allclose(folded(unbiased, scale, shift)(x), after(unbiased(x)), 1e-4, 1e-5));
}

TEST(MaxPool, NeverTakesThePadding) {
  const at::Tensor negative = row({-1, -2, -3, -4}).expand({1, 1, 4, 4});
  EXPECT_TRUE(
      at::equal(max_pool(negative, 3, 2, Padding::kSame), row({-1, -3}).expand({1, 1, 2, 2})));
  EXPECT_TRUE(at::equal(max_pool(negative, 3, 1, Padding::kSame),
                        row({-1, -1, -2, -3}).expand({1, 1, 4, 4})));
  EXPECT_TRUE(at::equal(max_pool(negative, 3, 2, Padding::kValid), row({-1})));
}

}  // namespace
}  // namespace equipoise::nets
