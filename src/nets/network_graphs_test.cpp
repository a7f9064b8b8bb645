// Networks on a CUDA device: beside the processor's float64, and as graphs beside themselves.
#include "nets/network_graphs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "core/normal_fixture.h"
#include "core/process.h"
#include "nets/ops.h"
#include "nets/precision.h"

namespace equipoise::nets {
namespace {

std::shared_ptr<DenoiserNetwork> small_network(const std::string& type) {
  const NetworkConfig config{{"type", type},    {"model_channels", 32},    {"channel_mult", {1, 2}},
                             {"num_blocks", 1}, {"attn_resolutions", {8}}, {"dropout", 0.1}};
  const auto network =
      make_denoiser_network(config, {.resolution = 16, .channels = 3, .label_dim = 4}, 0);
  const at::NoGradGuard no_grad;
  uint32_t part = 10;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(normal_items({1, parameter.numel()}, part++).reshape(parameter.sizes()), 0.02);
  return network;
}

double difference(const at::Tensor& got, const at::Tensor& expected) {
  const at::Tensor exact = expected.to(at::kCPU, at::kDouble);
  return ((got.to(at::kCPU, at::kDouble) - exact).norm() / exact.norm()).item<double>();
}

struct NetworkGraphsTest : testing::Test {
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
    set_up_process();  // deterministic algorithms
    set_precision(Precision::kFp32);
  }
  void TearDown() override {
    set_precision(Precision::kFp32Fast);
    set_cuda_graphs(true);
  }

  struct Inputs {
    at::Tensor x, noise_labels, class_labels;
    ForwardRandomness randomness;
  };
  static Inputs inputs(at::Device device, uint32_t part = 0) {
    return {
        .x = normal_items({3, 3, 16, 16}, part).to(device),
        .noise_labels = normal_items({3}, part + 1).to(device),
        .class_labels = at::eye(4).slice(0, 0, 3).to(device),
        .randomness = {.seed = 5, .image_numbers = at::arange(int64_t{part}, int64_t{part} + 3)}};
  }
  static at::Tensor output(NetworkGraphs& graphs, const Inputs& in) {
    return graphs.forward(in.x, in.noise_labels,
                          {.class_labels = in.class_labels, .randomness = &in.randomness});
  }
  static at::Tensor flat_gradient(const at::Tensor& loss, const DenoiserNetwork& network) {
    std::vector<at::Tensor> parts = torch::autograd::grad(
        {loss}, network.parameters(), {}, c10::nullopt, false, /*allow_unused=*/true);
    for (at::Tensor& part : parts)
      part = part.defined() ? part.flatten() : at::zeros({0}, at::kCUDA);
    return at::cat(parts);
  }
};

TEST_F(NetworkGraphsTest, EveryUNetComputesWhatItDoesInFloat64OnTheProcessor) {
  for (const char* type : {"SongUNet", "DhariwalUNet", "PatchUNet"}) {
    const auto network = small_network(type);
    const auto value = [&](at::Device device, at::ScalarType kind) {
      network->to(device, kind);
      const Inputs in = inputs(device);
      const at::Tensor x = in.x.to(kind).requires_grad_(true);
      const at::Tensor y = network->forward(
          x, in.noise_labels.to(kind),
          {.class_labels = in.class_labels.to(kind), .randomness = &in.randomness});
      const at::Tensor gradient = torch::autograd::grad({y.square().sum()}, {x})[0];
      return at::cat({y.detach().flatten(), gradient.flatten()});
    };
    const auto error = [&](Precision precision) {
      set_precision(precision);
      const at::Tensor narrow = value(at::kCUDA, at::kFloat);
      return difference(narrow, value(at::kCPU, at::kDouble));
    };
    const double plain = error(Precision::kFp32), fast = error(Precision::kFp32Fast),
                 half = error(Precision::kBf16);
    EXPECT_LT(plain, 4e-6) << type;
    EXPECT_LT(fast, 3e-3) << type;
    EXPECT_LT(half, 3e-2) << type;
    EXPECT_GT(half, 1e-4) << type;
    RecordProperty(fmt::format("{}_errors", type),
                   fmt::format("fp32 {:.2g}, fp32-fast {:.2g}, bf16 {:.2g}", plain, fast, half));
  }
}

TEST_F(NetworkGraphsTest, ReplaysGiveTheNetworksOwnNumbers) {
  const auto network = small_network("SongUNet");
  network->to(at::kCUDA);
  NetworkGraphs graphs(network);
  const at::NoGradGuard no_grad;
  for (uint32_t call = 0; call < 6; ++call) {
    const Inputs in = inputs(at::kCUDA, 10 * call);
    const at::Tensor expected = network->forward(
        in.x, in.noise_labels, {.class_labels = in.class_labels, .randomness = &in.randomness});
    EXPECT_TRUE(at::equal(output(graphs, in), expected)) << call;
    network->parameters()[3].mul_(1.01);  // replays read the weights as they are
  }
}

TEST_F(NetworkGraphsTest, GradientsAreTheNetworksOwn) {
  const auto network = small_network("SongUNet");
  network->to(at::kCUDA);
  NetworkGraphs graphs(network);
  for (uint32_t call = 0; call < 6; ++call) {
    const Inputs in = inputs(at::kCUDA, 10 * call);
    set_cuda_graphs(false);
    const at::Tensor expected = flat_gradient(output(graphs, in).square().sum(), *network);
    set_cuda_graphs(true);
    const at::Tensor got = flat_gradient(output(graphs, in).square().sum(), *network);
    EXPECT_LT(difference(got, expected), 1e-6) << call;
  }
}

TEST_F(NetworkGraphsTest, TwoCallsMayBeOpenAtOnce) {
  const auto network = small_network("SongUNet");
  network->to(at::kCUDA);
  NetworkGraphs graphs(network);
  const Inputs first = inputs(at::kCUDA, 0), second = inputs(at::kCUDA, 50);
  const auto both = [&] {
    const at::Tensor a = output(graphs, first), b = output(graphs, second);
    return flat_gradient(a.square().sum() + 3 * b.sum(), *network);
  };
  set_cuda_graphs(false);
  const at::Tensor expected = both();
  set_cuda_graphs(true);
  for (int i = 0; i < 4; ++i) EXPECT_LT(difference(both(), expected), 1e-6) << i;
}

TEST_F(NetworkGraphsTest, DropoutMasksAreTheProcessors) {
  for (const at::Tensor& x : {at::ones({3, 5, 6, 7}), at::ones({3, 11})}) {
    const ForwardRandomness randomness{.seed = 3,
                                       .image_numbers = at::tensor({4, 1, 9}, at::kLong)};
    const at::Tensor here = dropout(x, 0.3, &randomness, 2);
    EXPECT_TRUE(at::equal(dropout(x.to(at::kCUDA), 0.3, &randomness, 2).to(at::kCPU), here));
  }
}

}  // namespace
}  // namespace equipoise::nets
