#include "nets/extractors/lpips.h"

#include <string>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "nets/extractors/golden_weights.h"

namespace equipoise::nets {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

PublishedWeights heads() {
  return {golden_weights("lpips.heads"), "heads.safetensors"};
}
PublishedWeights backbone_weights(const std::string& backbone) {
  NamedTensors tensors = golden_weights("lpips." + backbone);
  tensors["classifier.0.weight"] = at::zeros({2, 2});  // torchvision's files have one
  return {tensors, "backbone.safetensors"};
}
Lpips make(const std::string& backbone) {
  return {backbone, backbone_weights(backbone), heads()};
}

at::Tensor first_image() {
  return golden("images").slice(0, 0, 1);
}

class EveryBackbone : public testing::TestWithParam<std::string> {
 protected:
  const Lpips lpips_ = make(GetParam());
};

// torchvision's layers, weights by formula (extractors_golden.py).
TEST_P(EveryBackbone, MeasuresWhatTheReferenceMeasures) {
  const at::NoGradGuard no_grad;
  const at::Tensor expected = golden("lpips." + GetParam() + ".distance");
  const at::Tensor distance = lpips_.distance(golden("images"), golden("others"));
  ASSERT_EQ(distance.sizes(), expected.sizes());
  EXPECT_LT((distance - expected).abs().max().item<double>(), 1e-4 * expected.max().item<double>());
}

TEST_P(EveryBackbone, IsZeroForEqualImagesAndSymmetric) {
  const at::NoGradGuard no_grad;
  const at::Tensor a = first_image(), b = golden("others").slice(0, 0, 1);
  EXPECT_EQ(lpips_.distance(a, a).item<double>(), 0);
  const double there = lpips_.distance(a, b).item<double>();
  EXPECT_GT(there, 0);
  EXPECT_NEAR(lpips_.distance(b, a).item<double>(), there, 1e-6 * there);
}

TEST_P(EveryBackbone, HasAGradientAndFollowsIt) {
  const at::Tensor a = (first_image().to(at::kFloat) / 127.5 - 1).requires_grad_(true);
  const at::Tensor b = golden("others").slice(0, 0, 1).to(at::kFloat) / 127.5 - 1;
  const at::Tensor distance = lpips_.distance(a, b);
  distance.sum().backward();
  ASSERT_TRUE(at::isfinite(a.grad()).all().item<bool>());
  const at::NoGradGuard no_grad;
  const double slope = a.grad().norm().item<double>();
  const double step = 1e-3 * a.norm().item<double>();
  const double less = lpips_.distance(a - a.grad() * (step / slope), b).item<double>();
  EXPECT_LT(less, distance.item<double>() - 0.3 * step * slope);
}

TEST_P(EveryBackbone, WorksAtItsLeastSizeAndNotBelow) {
  const at::NoGradGuard no_grad;
  const int64_t size = lpips_.min_size();
  const at::Tensor dark = at::full({1, 3, size, size}, 20, at::kByte);
  const at::Tensor bright = at::full({1, 3, size, size}, 200, at::kByte);
  EXPECT_GT(lpips_.distance(dark, bright).item<double>(), 0);
  EXPECT_THAT([&] { lpips_.distance(dark.slice(2, 1), bright.slice(2, 1)); },
              ThrowsMessage<UsageError>(HasSubstr(std::to_string(size))));
}

INSTANTIATE_TEST_SUITE_P(Backbones, EveryBackbone, testing::ValuesIn(Lpips::backbone_names()),
                         [](const auto& info) { return info.param; });

TEST(Lpips, JudgesEachPairAlone) {
  const at::NoGradGuard no_grad;
  const Lpips lpips = make("squeeze");
  const at::Tensor a = golden("images").repeat({3, 1, 1, 1}).slice(0, 0, 5);
  const at::Tensor b = golden("others").repeat({3, 1, 1, 1}).slice(0, 0, 5);
  const at::Tensor once = golden("lpips.squeeze.distance");
  EXPECT_TRUE(at::allclose(lpips.distance(a, b), once.repeat({3}).slice(0, 0, 5), 1e-4));
}

TEST(Lpips, RepeatsGreyImages) {
  const at::NoGradGuard no_grad;
  const Lpips lpips = make("alex");
  const at::Tensor a = golden("images").slice(1, 0, 1), b = golden("others").slice(1, 0, 1);
  EXPECT_TRUE(at::equal(lpips.distance(a, b),
                        lpips.distance(a.repeat({1, 3, 1, 1}), b.repeat({1, 3, 1, 1}))));
}

TEST(Lpips, StaysFiniteWhereNoFeatureAnswers) {
  // Biases of -1e6 keep every feature at 0.
  NamedTensors silent = golden_weights("lpips.alex");
  for (auto& [name, tensor] : silent)
    if (name.ends_with(".bias")) tensor.fill_(-1e6);
  const Lpips lpips("alex", PublishedWeights(silent, "silent"), heads());
  const at::Tensor a = (first_image().to(at::kFloat) / 127.5 - 1).requires_grad_(true);
  const at::Tensor distance = lpips.distance(a, at::zeros_like(a));
  EXPECT_EQ(distance.item<double>(), 0);
  distance.sum().backward();
  EXPECT_TRUE(at::isfinite(a.grad()).all().item<bool>());
}

TEST(Lpips, HasAsManyParametersAsTheConvolutionsOfTorchvision) {
  const auto count = [](const std::string& backbone) {
    int64_t sum = 0;
    for (const auto& [name, shape] : golden_shapes("lpips." + backbone))
      sum += c10::multiply_integers(shape);
    return sum;
  };
  EXPECT_EQ(count("vgg"), 14'714'688);
  EXPECT_EQ(count("alex"), 2'469'696);
  EXPECT_EQ(count("squeeze"), 722'496);
}

TEST(Lpips, RefusesWhatItCannotMeasure) {
  const Lpips lpips = make("squeeze");
  EXPECT_THAT(
      [&] { lpips.distance(golden("images"), first_image()); },
      ThrowsMessage<UsageError>(AllOf(HasSubstr("[1, 3, 48, 40]"), HasSubstr("[2, 3, 48, 40]"))));
  EXPECT_THAT([] { Lpips("vgg19", backbone_weights("vgg"), heads()); },
              ThrowsMessage<UsageError>(HasSubstr("alex")));
}

TEST(Lpips, NamesTheFileAndTensorThatDoNotFit) {
  EXPECT_THAT([] { Lpips("alex", backbone_weights("squeeze"), heads()); },
              ThrowsMessage<DataError>(
                  AllOf(HasSubstr("backbone.safetensors"), HasSubstr("features.0.weight"))));
  NamedTensors negative = golden_weights("lpips.heads");
  negative["alex.lin3.weight"][0][5] = -0.25f;
  EXPECT_THAT(
      [&] { Lpips("alex", backbone_weights("alex"), PublishedWeights(negative, "heads")); },
      ThrowsMessage<DataError>(AllOf(HasSubstr("heads: alex.lin3.weight"), HasSubstr("-0.25"))));
}

}  // namespace
}  // namespace equipoise::nets
