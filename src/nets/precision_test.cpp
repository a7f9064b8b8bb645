#include "nets/precision.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/normal_fixture.h"
#include "nets/network.h"
#include "nets/ops.h"

namespace equipoise::nets {
namespace {

using testing::HasSubstr;

struct PrecisionTest : testing::Test {
  ~PrecisionTest() override { set_precision(Precision::kFp32Fast); }
};

/// Relative error of a network's output and of its input gradient against float64.
double error_of(const std::string& type, Precision precision) {
  const NetworkConfig config{{"type", type},    {"model_channels", 32},    {"channel_mult", {1, 2}},
                             {"num_blocks", 1}, {"attn_resolutions", {8}}, {"dropout", 0}};
  const auto network = make_denoiser_network(config, {.resolution = 16, .channels = 3}, 0);
  const at::NoGradGuard no_grad;
  uint32_t part = 10;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(normal_items({1, parameter.numel()}, part++, 3).reshape(parameter.sizes()),
                   0.02);
  const at::Tensor x = normal_items({2, 3, 16, 16}, 0, 3), noise = at::full({2}, 0.3);
  const auto value = [&](at::ScalarType kind) {
    network->to(kind);
    const at::AutoGradMode enable_grad(true);
    const at::Tensor input = x.to(kind).requires_grad_(true);
    const at::Tensor output = network->forward(input, noise.to(kind), {});
    const at::Tensor gradient = torch::autograd::grad({output.square().sum()}, {input})[0];
    return at::cat({output.detach().flatten(), gradient.flatten()}).to(at::kDouble);
  };
  set_precision(precision);
  const at::Tensor ours = value(at::kFloat);
  const at::Tensor exact = value(at::kDouble);
  return ((ours - exact).norm() / exact.norm()).item<double>();
}

TEST_F(PrecisionTest, EveryUNetIsAsExactAsItsPrecisionPromises) {
  for (const char* type : {"SongUNet", "DhariwalUNet", "PatchUNet"}) {
    const double plain = error_of(type, Precision::kFp32),
                 fast = error_of(type, Precision::kFp32Fast),
                 half = error_of(type, Precision::kBf16);
    EXPECT_LT(plain, 4e-6) << type;
    EXPECT_LT(fast, 1e-5) << type;
    EXPECT_NE(plain, fast) << type;
    EXPECT_LT(half, 3e-2) << type;
    EXPECT_GT(half, 1e-4) << type;
    RecordProperty(fmt::format("{}_errors", type),
                   fmt::format("fp32 {:.2g}, fp32-fast {:.2g}, bf16 {:.2g}", plain, fast, half));
  }
}

TEST_F(PrecisionTest, Float64IsLeftAlone) {
  const at::Tensor x = normal_items({1, 4, 5, 5}, 1, 3).to(at::kDouble),
                   weight = normal_items({6, 4, 3, 3}, 2, 3).to(at::kDouble);
  const at::Tensor expected = at::conv2d(x, weight, c10::nullopt, 1, 1);
  set_precision(Precision::kBf16);
  EXPECT_TRUE(at::equal(nets::conv2d(x, weight, {}), expected));
}

TEST_F(PrecisionTest, WordsAreRead) {
  EXPECT_EQ(parse_precision("auto", at::kCPU), Precision::kFp32Fast);
  EXPECT_EQ(parse_precision("fp32", at::kCPU), Precision::kFp32);
  EXPECT_EQ(parse_precision("fp32-fast", at::kCPU), Precision::kFp32Fast);
  EXPECT_EQ(parse_precision("bf16", at::kCUDA), Precision::kBf16);
  try {
    parse_precision("fp16", at::kCPU);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("fp32-fast"));
  }
}

}  // namespace
}  // namespace equipoise::nets
