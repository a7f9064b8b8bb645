#include "reweight/posterior_ratio.h"

#include <cmath>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "data/image_set.h"

namespace equipoise::reweight {
namespace {

/// l(x) = 2 sum x: exact between N(1, 1) and N(-1, 1) on the line.
struct LinearRatio : diffusion::DensityRatio {
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return 2 * x.flatten(1).sum(1);
  }
};

at::Tensor normal(int64_t first, int64_t count, at::IntArrayRef shape) {
  return random_normal(1, Purpose::kToyData, at::arange(first, first + count), shape);
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

double ratio_at(const PosteriorRatio& ratio, double x, double sigma) {
  return ratio.log_ratio(at::full({1, 1}, x), at::full({1}, sigma)).item<double>();
}

// Noised, the two laws are N(+-1, 1 + sigma^2), and l(x, sigma) = 2 x / (1 + sigma^2). With 20,000
// points a set the error at these x is below 0.03 (five standard errors).
TEST(PosteriorRatio, IsTheRatioOfTwoNoisedGaussians) {
  const PosteriorRatio ratio(LinearRatio(), normal(0, 20000, {1}) - 1,
                             normal(20000, 20000, {1}) + 1);
  for (const double sigma : {0.5, 1.0, 3.0}) {
    for (const double x : {-1.5, 0.0, 0.7, 2.0})
      EXPECT_NEAR(ratio_at(ratio, x, sigma), 2 * x / (1 + sigma * sigma), 0.05)
          << "x = " << x << ", sigma = " << sigma;
  }
}

// One image a set, at 0 and 1: q = 1 / (1 + e^(1/2 - x)) at sigma = 1.
TEST(PosteriorRatio, IsBayesRuleForTwoImagesWithItsGradient) {
  const PosteriorRatio ratio(LinearRatio(), at::zeros({1, 1}), at::ones({1, 1}));
  const at::Tensor x = at::full({1, 1}, 0.3).requires_grad_();
  const at::Tensor value = ratio.log_ratio(x, at::ones({1}));
  const double q = sigmoid(0.3 - 0.5), d0 = sigmoid(0), d1 = sigmoid(2);
  const double d = (1 - q) * d0 + q * d1;
  EXPECT_NEAR(value.item<double>(), std::log(d / (1 - d)), 1e-5);
  // The posterior mean of x_0 given reference, less that given biased.
  const double gradient = q * d1 / d - q * (1 - d1) / (1 - d);
  EXPECT_NEAR(torch::autograd::grad({value}, {x}).front().item<double>(), gradient, 1e-5);
}

TEST(PosteriorRatio, BothSetsCountOneHalfWhateverTheirSizes) {
  const PosteriorRatio equal(LinearRatio(), at::zeros({1, 1}), at::ones({1, 1}));
  const PosteriorRatio unequal(LinearRatio(), at::zeros({9, 1}), at::ones({3, 1}));
  EXPECT_NEAR(ratio_at(equal, 0.4, 1.5), ratio_at(unequal, 0.4, 1.5), 1e-5);
}

TEST(PosteriorRatio, WithLittleNoiseItIsTheCleanRatioWithMuchTheMean) {
  const at::Tensor biased = 0.1 * normal(0, 30, {1, 28, 28}),
                   reference = 0.1 * normal(30, 20, {1, 28, 28});
  const PosteriorRatio ratio(LinearRatio(), biased, reference);
  const at::Tensor x = reference.slice(0, 0, 2).clone().requires_grad_();
  const at::Tensor near = ratio.log_ratio(x, at::full({2}, 0.002));
  const at::Tensor clean = LinearRatio().log_ratio(reference.slice(0, 0, 2), {});
  EXPECT_TRUE(at::allclose(near, clean, 1e-4, 1e-4)) << near << clean;
  EXPECT_LT(torch::autograd::grad({near.sum()}, {x}).front().abs().max().item<double>(), 1e-6);

  const at::Tensor far = ratio.log_ratio(at::zeros({1, 1, 28, 28}), at::full({1}, 1e4));
  const auto mean = [&](const at::Tensor& set) {
    return LinearRatio().log_ratio(set, {}).sigmoid().mean().item<double>();
  };
  const double d = (mean(biased) + mean(reference)) / 2;
  EXPECT_NEAR(far.item<double>(), std::log(d / (1 - d)), 1e-4);
}

TEST(PosteriorRatio, ReadsBytesAsTheImagesTheyStandFor) {
  const auto bytes = [](int64_t first, int64_t count) {
    return (normal(first, count, {1, 5, 7}) * 60 + 128).clamp(0, 255).to(at::kByte);
  };
  const at::Tensor biased = bytes(0, 21), reference = bytes(21, 10);
  const PosteriorRatio of_bytes(LinearRatio(), biased, reference);
  const PosteriorRatio of_floats(LinearRatio(), data::normalised(biased),
                                 data::normalised(reference));
  const at::Tensor x = normal(40, 6, {1, 5, 7}).requires_grad_();
  const at::Tensor sigma = at::tensor({0.5f, 1.0f, 2.0f, 4.0f, 8.0f, 16.0f});
  const at::Tensor actual = of_bytes.log_ratio(x, sigma), expected = of_floats.log_ratio(x, sigma);
  EXPECT_TRUE(at::allclose(actual, expected, 1e-3, 1e-4)) << actual - expected;
  const auto gradient = [&](const at::Tensor& value) {
    return torch::autograd::grad({value.sum()}, {x}).front();
  };
  EXPECT_TRUE(at::allclose(gradient(actual), gradient(expected), 1e-3, 1e-4));
}

TEST(PosteriorRatio, WantsBothSets) {
  EXPECT_THROW(PosteriorRatio(LinearRatio(), at::zeros({0, 1}), at::ones({3, 1})), UsageError);
  EXPECT_THROW(PosteriorRatio(LinearRatio(), at::zeros({3, 1}), at::ones({0, 1})), UsageError);
}

}  // namespace
}  // namespace equipoise::reweight
