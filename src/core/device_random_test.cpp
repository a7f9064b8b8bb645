#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise {
namespace {

struct DeviceRandom : testing::Test {
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  }
  const at::Tensor numbers = at::tensor({5, 0, 1'000'000'007, 3}, at::kLong);
};

TEST_F(DeviceRandom, UniformsAreTheProcessors) {
  const at::Tensor here = random_uniform(7, Purpose::kSigma, numbers, {3, 7}, 2);
  const at::Tensor there = random_uniform(7, Purpose::kSigma, numbers.to(at::kCUDA), {3, 7}, 2);
  EXPECT_TRUE(there.is_cuda());
  EXPECT_TRUE(at::equal(here, there.to(at::kCPU)));
}

TEST_F(DeviceRandom, NormalsAreTheProcessorsButForTheirLastBits) {
  const at::Tensor here = random_normal(7, Purpose::kNoise, numbers, {1001});
  const at::Tensor there = random_normal(7, Purpose::kNoise, numbers.to(at::kCUDA), {1001});
  EXPECT_TRUE(at::allclose(there.to(at::kCPU), here, 1e-5, 1e-6));
}

}  // namespace
}  // namespace equipoise
