// Our operators on a CUDA device against LibTorch's in float64 on the processor.
#include "nets/kernels/device_ops.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "core/libtorch.h"
#include "core/normal_fixture.h"

namespace equipoise::nets::kernels::device {
namespace {

struct GroupNormCase {
  int64_t batch, channels, height, width, groups;
  bool use_silu, use_offset, use_scale;
};

struct DeviceGroupNorm : testing::TestWithParam<GroupNormCase> {
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  }
};

TEST_P(DeviceGroupNorm, AgreesWithTheProcessorInFloat64) {
  const GroupNormCase& c = GetParam();
  std::vector<at::Tensor> inputs{normal_items({c.batch, c.channels, c.height, c.width}, 0) * 2 + 3,
                                 normal_items({1, c.channels}, 1)[0],
                                 normal_items({1, c.channels}, 2)[0]};
  if (c.use_offset) inputs.push_back(normal_items({c.batch, c.channels}, 3));
  if (c.use_scale) {
    inputs.push_back(normal_items({c.batch, c.channels}, 4));
    inputs.push_back(normal_items({c.batch, c.channels}, 5));
  }
  const auto value_and_gradients = [&](at::Device device, at::ScalarType type) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& input : inputs)
      leaves.push_back(input.to(device, type).requires_grad_(true));
    NormModulation modulation;
    if (c.use_offset) modulation.offset = leaves[3];
    if (c.use_scale) {
      modulation.scale = leaves[inputs.size() - 2];
      modulation.shift = leaves[inputs.size() - 1];
    }
    EXPECT_EQ(handles_group_norm(leaves[0]), type == at::kFloat);
    const at::Tensor y =
        group_norm_silu(leaves[0], leaves[1], leaves[2], {c.groups, 1e-5, c.use_silu}, modulation);
    const at::Tensor projection = normal_items(y.sizes(), 9).to(device, type);
    auto all = torch::autograd::grad({(y * projection).sum()}, leaves);
    all.push_back(y.detach());
    return all;
  };
  const auto got = value_and_gradients(at::kCUDA, at::kFloat),
             expected = value_and_gradients(at::kCPU, at::kDouble);
  for (size_t i = 0; i < got.size(); ++i) {
    const double size = std::max(expected[i].norm().item<double>(), 1.0);
    EXPECT_LT((got[i].to(at::kCPU, at::kDouble) - expected[i]).norm().item<double>() / size, 2e-4)
        << "gradient " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, DeviceGroupNorm,
                         testing::Values(GroupNormCase{3, 32, 16, 16, 8, true, true, false},
                                         GroupNormCase{2, 64, 9, 7, 16, true, false, true},
                                         GroupNormCase{1, 12, 5, 3, 3, false, true, true},
                                         GroupNormCase{600, 96, 4, 4, 24, true, false, false},
                                         GroupNormCase{2, 1024, 3, 3, 32, true, true, false}));

}  // namespace
}  // namespace equipoise::nets::kernels::device
