// Our operators against LibTorch's in float64: values and all gradients, over shapes drawn at
// random.
#include "nets/kernels/cpu_ops.h"

#include <functional>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/libtorch.h"
#include "core/normal_fixture.h"
#include "core/random.h"

namespace equipoise::nets::kernels {
namespace {

using Tensors = std::vector<at::Tensor>;
using Operator = std::function<at::Tensor(const Tensors&)>;

/// The result and the gradients of sum(result * projection), as float64.
Tensors value_and_gradients(const Operator& function, const Tensors& inputs, at::ScalarType type) {
  Tensors leaves;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.detach().to(type).clone().requires_grad_(true));
  const at::Tensor result = function(leaves);
  const at::Tensor projection = normal_items(result.sizes(), 99).to(type);
  Tensors all{result.detach().to(at::kDouble)};
  for (const at::Tensor& gradient : torch::autograd::grad({(result * projection).sum()}, leaves))
    all.push_back(gradient.to(at::kDouble));
  return all;
}

/// |ours - twin| / max(|twin|, 1), the largest over the result and the gradients: some gradients
/// are zero by an invariance.
double worst_error(const Operator& ours, const Operator& twin, const Tensors& inputs) {
  const Tensors actual = value_and_gradients(ours, inputs, at::kFloat),
                expected = value_and_gradients(twin, inputs, at::kDouble);
  double worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double size = expected[i].norm().item<double>();
    worst = std::max(worst, (actual[i] - expected[i]).norm().item<double>() / std::max(size, 1.0));
  }
  return worst;
}

constexpr double kFloatError = 2e-5;

int64_t drawn(int64_t from, int64_t to) {
  return *rc::gen::inRange<int64_t>(from, to + 1);
}

RC_GTEST_PROP(Convolution, AgreesWithLibTorchInFloat64, ()) {
  const int64_t batch = drawn(1, 3), in = drawn(1, 40), out = drawn(1, 40), height = drawn(1, 13),
                width = drawn(1, 13), kernel = *rc::gen::element<int64_t>(1, 3);
  const Tensors inputs{normal_items({batch, in, height, width}, 0),
                       normal_items({out, in, kernel, kernel}, 1), normal_items({1, out}, 2)[0]};
  RC_ASSERT(
      worst_error([](const Tensors& t) { return convolution(t[0], t[1], t[2]); },
                  [&](const Tensors& t) { return at::conv2d(t[0], t[1], t[2], 1, kernel / 2); },
                  inputs) < kFloatError);
}

TEST(Convolution, WorksInBlocksOfTilesWhenImagesAreMany) {
  const Tensors inputs{normal_items({40, 48, 14, 14}, 0), normal_items({56, 48, 3, 3}, 1),
                       normal_items({1, 56}, 2)[0]};
  EXPECT_LT(
      worst_error([](const Tensors& t) { return convolution(t[0], t[1], t[2]); },
                  [](const Tensors& t) { return at::conv2d(t[0], t[1], t[2], 1, 1); }, inputs),
      kFloatError);
}

TEST(Convolution, NeedsNoBiasAndTakesAnyLayout) {
  const Tensors inputs{normal_items({2, 6, 5, 8}, 0), normal_items({12, 6, 3, 3}, 1)};
  EXPECT_LT(
      worst_error([](const Tensors& t) { return convolution(t[0].transpose(2, 3), t[1], {}); },
                  [](const Tensors& t) {
                    return at::conv2d(t[0].transpose(2, 3), t[1], c10::nullopt, 1, 1);
                  },
                  inputs),
      kFloatError);
}

TEST(Convolution, ComputesOnlyTheGradientsAskedFor) {
  const at::Tensor x = normal_items({2, 8, 6, 6}, 0).requires_grad_(true),
                   weight = normal_items({8, 8, 3, 3}, 1), bias = normal_items({1, 8}, 2)[0];
  const at::Tensor y = convolution(x, weight, bias);
  const at::Tensor gradient = torch::autograd::grad({y.sum()}, {x})[0];
  const at::Tensor twin = at::conv2d(x, weight, bias, 1, 1);
  EXPECT_TRUE(at::allclose(gradient, torch::autograd::grad({twin.sum()}, {x})[0], 1e-4, 1e-4));
  EXPECT_TRUE(y.is_contiguous(at::MemoryFormat::ChannelsLast));
}

TEST(Convolution, OfOneImageAgreesWithinRoundingInAnyBatch) {
  const at::Tensor x = normal_items({5, 16, 8, 8}, 0), weight = normal_items({16, 16, 3, 3}, 1);
  const at::Tensor whole = convolution(x, weight, {});
  EXPECT_TRUE(at::allclose(convolution(x.slice(0, 2, 3), weight, {})[0], whole[2], 1e-4, 1e-4));
}

RC_GTEST_PROP(ByteProducts, AgreeWithLibTorchInFloat64, ()) {
  // Four columns at least, and small rows: sums of few large terms may cancel to anything.
  const int64_t rows = drawn(1, 9), images = drawn(1, 11), columns = drawn(4, 40);
  const at::Tensor bytes =
      (normal_items({images, columns}, 1) * 60 + 128).clamp(0, 255).to(at::kByte);
  RC_ASSERT(worst_error([&](const Tensors& t) { return byte_products(t[0], bytes); },
                        [&](const Tensors& t) { return t[0].mm(bytes.to(t[0]).t()); },
                        {normal_items({rows, columns}, 0) / 128}) < kFloatError);
}

RC_GTEST_PROP(GroupNorm, AgreesWithLibTorchInFloat64, ()) {
  const int64_t batch = drawn(1, 3), groups = drawn(1, 6), size = drawn(1, 9), height = drawn(2, 7),
                width = drawn(2, 7);
  const int64_t channels = groups * size;
  const bool use_silu = *rc::gen::arbitrary<bool>(), use_offset = *rc::gen::arbitrary<bool>(),
             use_scale = *rc::gen::arbitrary<bool>();
  Tensors inputs{normal_items({batch, channels, height, width}, 0) * 2 + 3,
                 normal_items({1, channels}, 1)[0], normal_items({1, channels}, 2)[0]};
  if (use_offset) inputs.push_back(normal_items({batch, channels}, 3));
  if (use_scale) {
    inputs.push_back(normal_items({batch, channels}, 4));
    inputs.push_back(normal_items({batch, channels}, 5));
  }
  const auto modulation = [&](const Tensors& t) {
    NormModulation result;
    size_t next = 3;
    if (use_offset) result.offset = t[next++];
    if (use_scale) {
      result.scale = t[next];
      result.shift = t[next + 1];
    }
    return result;
  };
  RC_ASSERT(worst_error(
                [&](const Tensors& t) {
                  return group_norm(t[0], t[1], t[2], modulation(t), groups, 1e-5, use_silu);
                },
                [&](const Tensors& t) {
                  return group_norm_silu(t[0], t[1], t[2], {groups, 1e-5, use_silu},
                                         modulation(t));  // float64: the twin
                },
                inputs) < 10 * kFloatError);
}

TEST(GroupNorm, LosesNothingToALargeMean) {
  const Tensors inputs{normal_items({2, 8, 6, 6}, 0) + 1000, at::ones({8}), at::zeros({8})};
  EXPECT_LT(worst_error(
                [](const Tensors& t) { return group_norm(t[0], t[1], t[2], {}, 2, 1e-5, false); },
                [](const Tensors& t) { return at::group_norm(t[0], 2, t[1], t[2], 1e-5); }, inputs),
            1e-3);
}

TEST(GroupNorm, SiluStaysFiniteAtItsEnds) {
  const at::Tensor x =
      at::tensor({-3000.0f, 3000.0f, 1.0f, -1.0f}).reshape({1, 1, 2, 2}).requires_grad_(true);
  const at::Tensor y = group_norm(x, at::ones({1}) * 1e4, at::zeros({1}), {}, 1, 1e-5, true);
  EXPECT_TRUE(at::isfinite(y).all().item<bool>());
  EXPECT_TRUE(at::isfinite(torch::autograd::grad({y.sum()}, {x})[0]).all().item<bool>());
}

RC_GTEST_PROP(SelfAttention, AgreesWithLibTorchInFloat64, ()) {
  const int64_t batch = drawn(1, 3), heads = drawn(1, 3), size = drawn(1, 20), height = drawn(1, 7),
                width = drawn(1, 7);
  const Tensors inputs{normal_items({batch, 3 * heads * size, height, width}, 0) * 2};
  RC_ASSERT(worst_error([&](const Tensors& t) { return self_attention(t[0], heads); },
                        [&](const Tensors& t) {
                          return nets::self_attention(t[0], heads);
                        },  // float64: the twin
                        inputs) < kFloatError);
}

TEST(SelfAttention, StaysFiniteWhenOnePositionTakesAll) {
  const at::Tensor qkv = (normal_items({1, 12, 3, 3}, 0) * 1e4).requires_grad_(true);
  const at::Tensor out = self_attention(qkv, 2);
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
  EXPECT_TRUE(at::isfinite(torch::autograd::grad({out.sum()}, {qkv})[0]).all().item<bool>());
}

RC_GTEST_PROP(Dropout, FollowsItsStreamElementByElement, ()) {
  const int64_t batch = drawn(1, 3), channels = drawn(1, 9), height = drawn(1, 9),
                width = drawn(1, 9);
  const at::Tensor x = normal_items({batch, channels, height, width}, 0).requires_grad_(true),
                   numbers = at::arange(batch) * 1'000'000'007 + 3;
  const DropoutLaw law{.key = stream_key(5, Purpose::kDropout, 2), .drop_below = 20000, .kept = 2};
  const at::Tensor y = dropout(x, numbers, law);
  at::Tensor expected = at::zeros_like(x);
  for (int64_t i = 0; i < batch; ++i) {
    RandomStream stream(5, Purpose::kDropout, numbers[i].item<int64_t>(), 2);
    uint32_t word = 0;
    for (int64_t e = 0; e < channels * height * width; ++e) {
      word = e % 2 == 0 ? stream.next() : word >> 16;
      if ((word & 0xFFFF) >= law.drop_below)
        expected[i][e % channels][e / channels / width][e / channels % width] = 2;
    }
  }
  RC_ASSERT(at::equal(y, x * expected));
  RC_ASSERT(at::equal(torch::autograd::grad({y.sum()}, {x})[0], expected));
}

TEST(ScaledSum, AgreesWithLibTorch) {
  const Tensors inputs{normal_items({2, 5, 3, 4}, 0), normal_items({2, 5, 3, 4}, 1)};
  EXPECT_LT(worst_error([](const Tensors& t) { return scaled_sum(t[0], t[1], 0.7); },
                        [](const Tensors& t) { return (t[0] + t[1]) * 0.7; }, inputs),
            1e-6);
}

}  // namespace
}  // namespace equipoise::nets::kernels
