#include "nets/layers.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"

namespace equipoise::nets {
namespace {

TEST(ParameterInit, GivesEachTensorItsOwnStream) {
  ParameterInit init(5), again(5), other(6);
  const at::Tensor first = init.normal({8}), second = init.normal({8});
  EXPECT_TRUE(at::equal(first, again.normal({8})));
  EXPECT_TRUE(at::equal(second, again.normal({8})));
  EXPECT_FALSE(at::equal(first, second));
  EXPECT_FALSE(at::equal(first, other.normal({8})));
}

TEST(InitLaw, HasTheStatedWidths) {
  ParameterInit init(5);
  const auto weight = [&](const InitScheme& scheme) {
    return Linear(init, 300, 100, scheme).parameters()[0];
  };
  const double xavier = std::sqrt(6.0 / 400), kaiming = std::sqrt(3.0 / 300);
  EXPECT_NEAR(weight({InitLaw::kXavierUniform}).abs().max().item<double>(), xavier, 1e-3 * xavier);
  EXPECT_NEAR(weight({InitLaw::kXavierUniform, 1e-5}).abs().max().item<double>(), 1e-5 * xavier,
              1e-8 * xavier);
  EXPECT_NEAR(weight({InitLaw::kKaimingUniform}).abs().max().item<double>(), kaiming,
              1e-3 * kaiming);
  EXPECT_NEAR(weight({InitLaw::kKaimingNormal}).std().item<double>(), std::sqrt(1.0 / 300), 1e-3);
  EXPECT_EQ(weight({InitLaw::kKaimingNormal, 0}).abs().max().item<double>(), 0);
}

TEST(Conv2d, ResamplesBeforeTheConvolution) {
  ParameterInit init(5);
  const at::Tensor x = ParameterInit(1).normal({2, 4, 8, 8});
  const Conv2d down(init, 4, 6, {.resample = Resample::kDown}),
      up(init, 4, 6, {.resample = Resample::kUp});
  EXPECT_EQ(down.forward(x).sizes(), at::IntArrayRef({2, 6, 4, 4}));
  EXPECT_EQ(up.forward(x).sizes(), at::IntArrayRef({2, 6, 16, 16}));
  const auto parameters = down.parameters();
  EXPECT_TRUE(at::allclose(down.forward(x),
                           at::conv2d(at::avg_pool2d(x, 2), parameters[0], parameters[1], 1, 1),
                           1e-4, 1e-5));
}

TEST(Conv2d, WithoutKernelOnlyResamples) {
  ParameterInit init(5);
  const at::Tensor x = ParameterInit(1).normal({2, 4, 8, 8});
  const Conv2d down(init, 4, 4, {.kernel = 0, .resample = Resample::kDown});
  EXPECT_TRUE(at::equal(down.forward(x), at::avg_pool2d(x, 2)));
  EXPECT_TRUE(down.parameters().empty());
}

TEST(GroupNorm, RefusesUnequalGroups) {
  EXPECT_NO_THROW(GroupNorm(200 - 8, 1e-5));
  EXPECT_THROW(GroupNorm(200, 1e-5), UsageError);
  EXPECT_THROW(GroupNorm(3, 1e-5), UsageError);
}

TEST(PositionalEmbedding, HasCosinesThenSinesOfFallingFrequencies) {
  const at::Tensor emb = positional_embedding(at::tensor({2.0f}), 8)[0];
  const at::Tensor closed = positional_embedding(at::tensor({2.0f}), 8, /*use_endpoint=*/true)[0];
  for (int64_t k = 0; k < 4; ++k) {
    const double open_frequency = std::pow(10000.0, -k / 4.0),
                 closed_frequency = std::pow(10000.0, -k / 3.0);
    EXPECT_NEAR(emb[k].item<double>(), std::cos(2 * open_frequency), 1e-6);
    EXPECT_NEAR(emb[4 + k].item<double>(), std::sin(2 * open_frequency), 1e-6);
    EXPECT_NEAR(closed[k].item<double>(), std::cos(2 * closed_frequency), 1e-6);
  }
}

TEST(PrepareLabels, AreZeroWhenUndefinedAndBroadcastFromOneRow) {
  EXPECT_TRUE(at::equal(prepare_labels({}, 2, 0.5, at::ones({3, 5})), at::zeros({3, 2})));
  const Conditions one{.class_labels = at::tensor({0.0f, 1.0f}).unsqueeze(0)};
  EXPECT_TRUE(at::equal(prepare_labels(one, 2, 0, at::ones({3, 5})),
                        at::tensor({0.0f, 1.0f}).unsqueeze(0).repeat({3, 1})));
}

}  // namespace
}  // namespace equipoise::nets
