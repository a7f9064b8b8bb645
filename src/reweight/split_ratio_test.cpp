#include "reweight/split_ratio.h"

#include <gtest/gtest.h>

#include "core/libtorch.h"

namespace equipoise::reweight {
namespace {

/// factor * x: the gradient tells who was asked.
struct Line : diffusion::DensityRatio {
  explicit Line(double factor) : factor(factor) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& = {}) const override {
    EXPECT_GT(x.size(0), 0);
    EXPECT_EQ(x.size(0), sigma.size(0));
    return factor * x.squeeze(1);
  }
  double factor;
};

TEST(SplitRatio, AsksEachForItsLevelsAndKeepsTheOrder) {
  const SplitRatio ratio(std::make_shared<Line>(1), std::make_shared<Line>(10), 2);
  const at::Tensor x = torch::tensor({{1.f}, {2.f}, {3.f}, {4.f}}).requires_grad_();
  const at::Tensor value = ratio.log_ratio(x, torch::tensor({3.0, 0.5, 2.0, 1.9}));
  EXPECT_TRUE(at::equal(value, torch::tensor({10.f, 2.f, 30.f, 4.f})));
  const at::Tensor gradient = torch::autograd::grad({value.sum()}, {x}).front();
  EXPECT_TRUE(at::equal(gradient.squeeze(1), torch::tensor({10.f, 1.f, 10.f, 1.f})));
}

TEST(SplitRatio, AsksNobodyForNothing) {
  const SplitRatio ratio(std::make_shared<Line>(1), std::make_shared<Line>(10), 2);
  const at::Tensor x = at::ones({2, 1});
  EXPECT_TRUE(at::equal(ratio.log_ratio(x, torch::tensor({3.0, 4.0})), at::full({2}, 10.f)));
  EXPECT_TRUE(at::equal(ratio.log_ratio(x, torch::tensor({0.3, 0.4})), at::full({2}, 1.f)));
}

}  // namespace
}  // namespace equipoise::reweight
