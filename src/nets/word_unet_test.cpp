#include "nets/word_unet.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/normal_fixture.h"
#include "nets/state.h"

namespace equipoise::nets {
namespace {

const DataShape kShape{16, 3, 6};

std::shared_ptr<WordUNet> small(const WordUNetConfig& config = {.model_channels = 8,
                                                                .time_channels = 16}) {
  return std::make_shared<WordUNet>(config, kShape, 0);
}

at::Tensor predict(WordUNet& network, const at::Tensor& x, const at::Tensor& labels = {}) {
  torch::NoGradGuard no_grad;
  return network.forward(x, at::linspace(3, 700, x.size(0)), {.class_labels = labels});
}

TEST(WordEmbedding, IsSinesThenCosinesThenTheCondition) {
  const at::Tensor zeros = at::zeros({1, 128});
  const at::Tensor at_zero = word_embedding(at::zeros({1}), 128, zeros, 1);
  EXPECT_TRUE(at::equal(at_zero[0].slice(0, 0, 64), at::zeros({64})));
  EXPECT_TRUE(at::equal(at_zero[0].slice(0, 64, 128), at::ones({64})));
  const at::Tensor t = at::tensor({1.0f, 17.0f, 999.0f});
  const at::Tensor embedding = word_embedding(t, 128, at::zeros({3, 128}), 1);
  EXPECT_EQ(embedding.size(1), 256);
  EXPECT_TRUE(at::allclose(embedding.square().sum(1), at::full({3}, 64.0f)));
  EXPECT_TRUE(at::equal(embedding.slice(1, 128), at::zeros({3, 128})));
  // f_1 = 10000^(-2/128).
  EXPECT_NEAR(embedding[1][1].item<double>(), std::sin(17 * std::pow(10000.0, -2.0 / 128)), 1e-5);
}

TEST(WordEmbedding, ScalesTheConditionByItsGain) {
  const at::Tensor labels = normal_items({2, 5});
  EXPECT_TRUE(at::equal(word_embedding(at::ones({2}), 4, labels, 3).slice(1, 4), labels * 3));
}

TEST(WordUNet, HasAsManyParametersAsTheRelease) {
  EXPECT_EQ(num_parameters(WordUNet({}, {64, 3, 128}, 0)), 23'332'739);
}

TEST(WordUNet, ItemsDoNotSeeEachOther) {
  const auto network = small();
  const at::Tensor x = normal_items({3, 3, 16, 16}), labels = normal_items({3, 6}, 1);
  const at::Tensor together = predict(*network, x, labels);
  EXPECT_EQ(together.sizes(), x.sizes());
  at::Tensor other = x.clone();
  other[2].zero_();
  EXPECT_TRUE(at::allclose(predict(*network, other, labels).slice(0, 0, 2), together.slice(0, 0, 2),
                           1e-5, 1e-6));
}

TEST(WordUNet, NoConditionIsTheZeroVector) {
  const auto network = small();
  const at::Tensor x = normal_items({2, 3, 16, 16});
  EXPECT_TRUE(at::equal(predict(*network, x), predict(*network, x, at::zeros({2, 6}))));
  EXPECT_FALSE(at::allclose(predict(*network, x), predict(*network, x, normal_items({2, 6}))));
}

TEST(WordUNet, FinestAttentionCanBeLeftOut) {
  const auto with = small(),
             without =
                 small({.model_channels = 8, .time_channels = 16, .attention_at_finest = false});
  // LN 16, qkv 192 + 24, proj 64 + 8, LN 16, two linear maps 2 (64 + 8).
  EXPECT_EQ(num_parameters(*with) - num_parameters(*without), 464);
  EXPECT_EQ(predict(*without, normal_items({1, 3, 16, 16})).sizes(),
            at::IntArrayRef({1, 3, 16, 16}));
}

TEST(WordUNet, GradientsReachEveryParameterAndTheCondition) {
  const auto network = small();
  const at::Tensor labels = normal_items({2, 6}).requires_grad_(true);
  network
      ->forward(normal_items({2, 3, 16, 16}), at::tensor({3.0f, 500.0f}), {.class_labels = labels})
      .square()
      .sum()
      .backward();
  for (const auto& parameter : network->named_parameters())
    EXPECT_GT(parameter.value().grad().abs().sum().item<double>(), 0) << parameter.key();
  EXPECT_GT(labels.grad().abs().sum().item<double>(), 0);
}

TEST(WordUNet, RefusesSizesThatDoNotDivide) {
  EXPECT_THROW(WordUNet({}, {20, 3, 6}, 0), UsageError);
  EXPECT_THROW(WordUNet({}, {0, 3, 6}, 0), UsageError);
  EXPECT_THROW(WordUNet({.model_channels = 10, .num_heads = 4}, kShape, 0), UsageError);
}

}  // namespace
}  // namespace equipoise::nets
