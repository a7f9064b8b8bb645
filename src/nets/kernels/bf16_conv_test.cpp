#include "nets/kernels/bf16_conv.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/libtorch.h"
#include "core/normal_fixture.h"
#include "nets/kernels/cpu_ops.h"
#include "nets/ops.h"
#include "nets/precision.h"

namespace equipoise::nets::kernels {
namespace {

/// The values that bfloat16 copies stand for, in float64.
at::Tensor narrowed(const at::Tensor& values) {
  return values.to(at::kBFloat16).to(at::kDouble);
}

double difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

int64_t drawn(int64_t from, int64_t to) {
  return *rc::gen::inRange<int64_t>(from, to + 1);
}

TEST(ToBf16, RoundsAsLibTorchDoes) {
  at::Tensor values = normal_items({2, 1001}, 0) * 1e3;
  values[0][3] = std::numeric_limits<float>::infinity();
  values[0][4] = -std::numeric_limits<float>::infinity();
  values[0][5] = 1.00390625f;  // half way: to even
  values[0][6] = 1.01171875f;
  values[0][7] = 0;
  values[0][8] = std::bit_cast<float>(0x7F800001u);  // NaN
  at::Tensor bits = at::empty(values.sizes(), at::kShort);
  to_bf16(values.numel(), values.data_ptr<float>(),
          reinterpret_cast<uint16_t*>(bits.data_ptr<int16_t>()));
  const at::Tensor got = bits.view(at::kBFloat16).to(at::kFloat),
                   expected = values.to(at::kBFloat16).to(at::kFloat);
  EXPECT_TRUE(at::allclose(got, expected, 0, 0, /*equal_nan=*/true));
  EXPECT_TRUE(std::isnan(got[0][8].item<float>()));
}

// Products of bfloat16 numbers are exact in float32, so only the order of sums is left to differ.
RC_GTEST_PROP(NarrowConvolution, IsTheConvolutionOfRoundedNumbers, ()) {
  const int64_t batch = drawn(1, 3), in = 16 * drawn(1, 4), out = 16 * drawn(1, 4),
                height = drawn(1, 13), width = drawn(1, 13),
                kernel = *rc::gen::element<int64_t>(1, 3);
  const at::Tensor x = normal_items({batch, in, height, width}, 0).requires_grad_(true),
                   weight = normal_items({out, in, kernel, kernel}, 1).requires_grad_(true),
                   bias = normal_items({1, out}, 2)[0].detach().requires_grad_(true);
  if (!handles_narrow_convolution(x, weight, kernel / 2)) return;  // this processor has no kernel
  const at::Tensor y = narrow_convolution(x, weight, bias), grad_y = normal_items(y.sizes(), 3);
  const auto gradients = torch::autograd::grad({y}, {x, weight, bias}, {grad_y});

  const at::Tensor wide_x = narrowed(x.detach()).requires_grad_(true),
                   wide_weight = narrowed(weight.detach()).requires_grad_(true);
  const at::Tensor expected =
      at::conv2d(wide_x, wide_weight, bias.detach().to(at::kDouble), 1, kernel / 2);
  const auto expected_gradients =
      torch::autograd::grad({expected}, {wide_x, wide_weight}, {narrowed(grad_y)});
  constexpr double kSumError = 1e-5;
  RC_ASSERT(difference(y.detach(), expected.detach()) < kSumError);
  RC_ASSERT(difference(gradients[0], expected_gradients[0]) < kSumError);
  RC_ASSERT(difference(gradients[1], expected_gradients[1]) < kSumError);
  RC_ASSERT(difference(gradients[2], grad_y.to(at::kDouble).sum({0, 2, 3})) < kSumError);
}

TEST(FrozenWeights, KeepsNothingBeyondItsLife) {
  set_precision(Precision::kBf16);
  const at::NoGradGuard no_grad;
  const at::Tensor x = normal_items({1, 32, 8, 8}, 0);
  at::Tensor weight = normal_items({32, 32, 3, 3}, 1);
  weight.requires_grad_(true);
  const at::Tensor before = nets::conv2d(x, weight, {});
  {
    const FrozenWeights frozen;
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(nets::conv2d(x, weight, {}), before));
  }
  weight.data().mul_(2);
  const FrozenWeights frozen_again;
  EXPECT_TRUE(at::allclose(nets::conv2d(x, weight, {}), 2 * before, 1e-5, 1e-5));
  set_precision(Precision::kFp32Fast);
}

}  // namespace
}  // namespace equipoise::nets::kernels
