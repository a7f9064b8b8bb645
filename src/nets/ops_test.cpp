#include "nets/ops.h"

#include <cmath>
#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/normal_fixture.h"

namespace equipoise::nets {
namespace {

TEST(GroupNormSilu, FollowsItsFormula) {
  const at::Tensor x = normal_items({2, 4, 3}), weight = normal_items({1, 4}, 1)[0],
                   bias = normal_items({1, 4}, 2)[0];
  const at::Tensor scale = normal_items({2, 4}, 3), shift = normal_items({2, 4}, 4);
  const at::Tensor actual =
      group_norm_silu(x, weight, bias, {.groups = 2, .eps = 0.1}, {.scale = scale, .shift = shift});
  const at::Tensor grouped = x.reshape({2, 2, 6});
  const at::Tensor centred = grouped - grouped.mean(2, true);
  const at::Tensor normed =
      (centred / (centred.square().mean(2, true) + 0.1).sqrt()).reshape({2, 4, 3});
  const at::Tensor affine = normed * weight.reshape({1, 4, 1}) + bias.reshape({1, 4, 1});
  const at::Tensor moved = affine * (scale + 1).unsqueeze(2) + shift.unsqueeze(2);
  EXPECT_TRUE(at::allclose(actual, moved * at::sigmoid(moved), 1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(group_norm_silu(x, weight, bias, {2, 0.1, /*use_silu=*/false}), affine,
                           1e-5, 1e-6));
}

TEST(Attention, MixesValuesByScaledProducts) {
  const at::Tensor query = normal_items({2, 3, 4}), key = normal_items({2, 3, 5}, 1),
                   value = normal_items({2, 3, 5}, 2);
  const at::Tensor mixed = attention(query, key, value);
  ASSERT_EQ(mixed.sizes(), at::IntArrayRef({2, 3, 4}));
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t q = 0; q < 4; ++q) {
      const at::Tensor logits = at::mv(key[n].t(), query[n].select(1, q)) / std::sqrt(3.0);
      const at::Tensor expected = at::mv(value[n], at::softmax(logits, 0));
      EXPECT_TRUE(at::allclose(mixed[n].select(1, q), expected, 1e-5, 1e-6));
    }
  }
}

TEST(Resample, TwoTapsAreMeansAndNearestNeighbours) {
  const at::Tensor box = resample_kernel({1, 1}), x = normal_items({2, 3, 4, 6});
  const at::Tensor grouped = box.expand({3, 1, 2, 2});
  const int64_t none = 0;
  EXPECT_TRUE(at::allclose(downsample(x, box), at::conv2d(x, grouped, c10::nullopt, 2, none, 1, 3),
                           1e-5, 1e-6));
  EXPECT_TRUE(at::allclose(upsample(x, box),
                           at::conv_transpose2d(x, grouped * 4, c10::nullopt, 2, 0, 0, 3), 1e-5,
                           1e-6));
}

TEST(Resample, UpsamplingIsFourTimesTheTransposeOfDownsampling) {
  for (const std::vector<double>& taps : {std::vector<double>{1, 1}, {1, 3, 3, 1}}) {
    const at::Tensor kernel = resample_kernel(taps);
    const at::Tensor large = normal_items({2, 3, 8, 8}), small = normal_items({2, 3, 4, 4}, 1);
    const double down = (downsample(large, kernel) * small).sum().item<double>();
    const double up = (large * upsample(small, kernel)).sum().item<double>();
    EXPECT_NEAR(4 * down, up, 1e-4 * std::abs(up));
  }
}

TEST(Resample, KeepsConstantsAwayFromTheBorder) {
  const at::Tensor kernel = resample_kernel({1, 3, 3, 1});
  const at::Tensor flat = at::ones({1, 1, 8, 8});
  EXPECT_TRUE(
      at::allclose(downsample(flat, kernel).slice(2, 1, 3).slice(3, 1, 3), at::ones({1, 1, 2, 2})));
  EXPECT_TRUE(at::allclose(upsample(flat, kernel).slice(2, 2, 14).slice(3, 2, 14),
                           at::ones({1, 1, 12, 12})));
}

TEST(Resample, RefusesFiltersThatWouldShiftTheImage) {
  EXPECT_THROW(resample_kernel({1, 2, 1}), UsageError);
  EXPECT_THROW(resample_kernel({1, 2}), UsageError);
  EXPECT_THROW(resample_kernel({}), UsageError);
}

TEST(Dropout, DoesNothingWithoutRandomness) {
  const at::Tensor x = normal_items({2, 50});
  EXPECT_TRUE(dropout(x, 0.5, nullptr, 0).is_same(x));
  const ForwardRandomness randomness{.seed = 3, .image_numbers = at::arange(2)};
  EXPECT_TRUE(dropout(x, 0, &randomness, 0).is_same(x));
}

TEST(Dropout, DropsTheStatedShareAndKeepsTheMean) {
  const ForwardRandomness randomness{.seed = 3, .image_numbers = at::arange(4)};
  const at::Tensor dropped = dropout(at::ones({4, 25000}), 0.13, &randomness, 7);
  EXPECT_NEAR(dropped.eq(0).to(at::kFloat).mean().item<double>(), 0.13, 0.005);
  EXPECT_NEAR(dropped.mean().item<double>(), 1, 0.01);
  EXPECT_NEAR(dropped.max().item<double>(), 1 / 0.87, 1e-4);
  EXPECT_EQ(dropout(at::ones({4, 9}), 1, &randomness, 7).abs().sum().item<double>(), 0);
}

TEST(Dropout, MasksDependOnImageNumberAndLayerAlone) {
  const at::Tensor x = at::ones({4, 3, 7});
  const ForwardRandomness all{.seed = 3, .image_numbers = at::arange(10, 14)};
  const ForwardRandomness two{.seed = 3, .image_numbers = at::tensor({12, 10}, at::kLong)};
  const at::Tensor whole = dropout(x, 0.5, &all, 7), part = dropout(x.slice(0, 0, 2), 0.5, &two, 7);
  EXPECT_TRUE(at::equal(part[0], whole[2]));
  EXPECT_TRUE(at::equal(part[1], whole[0]));
  EXPECT_FALSE(at::equal(whole[0], whole[1]));
  EXPECT_FALSE(at::equal(whole, dropout(x, 0.5, &all, 8)));
  EXPECT_THROW(dropout(x, 0.5, &two, 7), UsageError);
}

// The twins' gradients in float64 against central differences along a random direction: what every
// other implementation is compared with has to be right itself.
using Operator = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

double gradient_error(const Operator& f, const std::vector<at::Tensor>& inputs) {
  constexpr double kStep = 1e-5;
  std::vector<at::Tensor> leaves, directions;
  for (size_t i = 0; i < inputs.size(); ++i) {
    leaves.push_back(inputs[i].to(at::kDouble).requires_grad_(true));
    directions.push_back(normal_items(inputs[i].sizes(), 20 + i).to(at::kDouble));
  }
  const auto moved = [&](double step) {
    std::vector<at::Tensor> at_step;
    for (size_t i = 0; i < leaves.size(); ++i)
      at_step.push_back(leaves[i].detach() + step * directions[i]);
    return f(at_step);
  };
  const at::Tensor value = f(leaves), projection = normal_items(value.sizes(), 30).to(at::kDouble);
  const auto gradients = torch::autograd::grad({(value * projection).sum()}, leaves);
  double along = 0;
  for (size_t i = 0; i < leaves.size(); ++i)
    along += (gradients[i] * directions[i]).sum().item<double>();
  const double difference =
      ((moved(kStep) - moved(-kStep)) * projection).sum().item<double>() / (2 * kStep);
  return std::abs(along - difference) / std::max(std::abs(difference), 1.0);
}

TEST(TwinGradients, AgreeWithFiniteDifferences) {
  const at::Tensor x = normal_items({2, 8, 6, 6}), other = normal_items({2, 8, 6, 6}, 1);
  const at::Tensor box = resample_kernel({1, 1}), wide = resample_kernel({1, 3, 3, 1});
  const ForwardRandomness randomness{.seed = 3, .image_numbers = at::arange(2)};
  const at::Tensor bytes = (normal_items({5, 12}, 7) * 50 + 128).clamp(0, 255).to(at::kByte);
  const std::vector<std::pair<Operator, std::vector<at::Tensor>>> cases{
      {[](const auto& t) { return nets::conv2d(t[0], t[1], t[2]); },
       {x, normal_items({4, 8, 3, 3}, 2), normal_items({1, 4}, 3)[0]}},
      {[](const auto& t) {
         return group_norm_silu(t[0], t[1], t[2], {.groups = 2},
                                {.offset = t[3], .scale = t[4], .shift = t[5]});
       },
       {x, normal_items({1, 8}, 2)[0], normal_items({1, 8}, 3)[0], normal_items({2, 8}, 4),
        normal_items({2, 8}, 5), normal_items({2, 8}, 6)}},
      {[](const auto& t) { return self_attention(t[0], 2); }, {normal_items({2, 24, 3, 3}, 2)}},
      {[](const auto& t) { return scaled_sum(t[0], t[1], 0.7); }, {x, other}},
      {[&](const auto& t) { return upsample(t[0], box.to(at::kDouble)); }, {x}},
      {[&](const auto& t) { return upsample(t[0], wide.to(at::kDouble)); }, {x}},
      {[&](const auto& t) { return downsample(t[0], box.to(at::kDouble)); }, {x}},
      {[&](const auto& t) { return downsample(t[0], wide.to(at::kDouble)); }, {x}},
      {[&](const auto& t) { return dropout(t[0], 0.3, &randomness, 1); }, {x}},
      {[&](const auto& t) { return byte_products(t[0], bytes); }, {normal_items({3, 12}, 2)}}};
  for (size_t i = 0; i < cases.size(); ++i)
    EXPECT_LT(gradient_error(cases[i].first, cases[i].second), 1e-7) << "case " << i;
}

TEST(DropLabels, RemovesWholeRowsAtTheStatedRate) {
  const ForwardRandomness randomness{.seed = 3, .image_numbers = at::arange(4000)};
  const at::Tensor sums = drop_labels(at::ones({4000, 2}), 0.25, &randomness).sum(1);
  EXPECT_TRUE(at::logical_or(sums.eq(0), sums.eq(2)).all().item<bool>());
  EXPECT_NEAR(sums.eq(0).to(at::kFloat).mean().item<double>(), 0.25, 0.03);
}

}  // namespace
}  // namespace equipoise::nets
