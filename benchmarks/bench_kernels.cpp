// Our operators beside LibTorch's, one thread, at the shapes of workloads S and C.
//
// Names: OPERATOR/ours|libtorch/BATCH/CHANNELS/SIDE. `FLOP` is that of direct convolution, whatever
// the algorithm.
#include <benchmark/benchmark.h>

#include "core/libtorch.h"
#include "core/random.h"
#include "nets/ops.h"

namespace equipoise::benchmarks {
namespace {

enum class Whose { kOurs, kLibtorch };

at::Tensor image_of(const benchmark::State& state, int64_t channels) {
  return at::randn({state.range(0), channels, state.range(2), state.range(2)})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor weight_of(const benchmark::State& state) {
  return at::randn({state.range(1), state.range(1), 3, 3}) * 0.05;
}

void count_flop(benchmark::State& state, double passes) {
  const auto batch = static_cast<double>(state.range(0)), channels = double(state.range(1)),
             side = double(state.range(2));
  state.counters["FLOP"] =
      benchmark::Counter(passes * 18 * batch * channels * channels * side * side,
                         benchmark::Counter::kIsIterationInvariantRate);
}

at::Tensor convolve(Whose whose, const at::Tensor& x, const at::Tensor& weight) {
  if (whose == Whose::kOurs) return nets::conv2d(x, weight, {});
  return at::conv2d(x, weight, {}, /*stride=*/1, /*padding=*/1);
}

void convolution(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = image_of(state, state.range(1)), weight = weight_of(state);
  for (auto _ : state) benchmark::DoNotOptimize(convolve(whose, x, weight));
  count_flop(state, 1);
}

void convolution_with_gradients(benchmark::State& state, Whose whose) {
  const at::Tensor x = image_of(state, state.range(1)).requires_grad_();
  const at::Tensor weight = weight_of(state).requires_grad_();
  const at::Tensor grad = image_of(state, state.range(1));
  for (auto _ : state)
    benchmark::DoNotOptimize(
        torch::autograd::grad({convolve(whose, x, weight)}, {x, weight}, {grad}));
  count_flop(state, 3);
}

void group_norm_silu(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const int64_t channels = state.range(1), groups = std::min<int64_t>(32, channels / 4);
  const at::Tensor x = image_of(state, channels), weight = at::ones({channels}),
                   bias = at::zeros({channels});
  for (auto _ : state) {
    if (whose == Whose::kOurs)
      benchmark::DoNotOptimize(nets::group_norm_silu(x, weight, bias, {.groups = groups}));
    else
      benchmark::DoNotOptimize(at::silu(at::group_norm(x, groups, weight, bias)));
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}

void attention(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const at::Tensor qkv = image_of(state, 3 * state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(nets::self_attention(qkv, /*num_heads=*/1));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// Some rows against 38,000 digits, with the gradient in the rows; LibTorch has them as floats.
void byte_products(benchmark::State& state, Whose whose) {
  const at::Tensor bytes = at::randint(256, {38'000, 784}, at::kByte);
  const at::Tensor floats = whose == Whose::kOurs ? at::Tensor() : bytes.to(at::kFloat);
  const at::Tensor rows = at::randn({state.range(0), 784}).requires_grad_();
  const at::Tensor grad = at::randn({state.range(0), 38'000});
  for (auto _ : state) {
    const at::Tensor products =
        whose == Whose::kOurs ? nets::byte_products(rows, bytes) : rows.mm(floats.t());
    benchmark::DoNotOptimize(torch::autograd::grad({products}, {rows}, {grad}));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void normal_numbers(benchmark::State& state) {
  const at::Tensor indices = at::arange(16);
  for (auto _ : state)
    benchmark::DoNotOptimize(random_normal(0, Purpose::kNoise, indices, {3, 32, 32}));
  state.SetItemsProcessed(state.iterations() * 16 * 3 * 32 * 32);
}

void shapes(benchmark::internal::Benchmark* of) {
  of->Args({16, 32, 32})
      ->Args({16, 64, 16})
      ->Args({16, 64, 8})
      ->Args({1, 64, 16})
      ->Args({2, 256, 32});
}

BENCHMARK_CAPTURE(convolution, ours, Whose::kOurs)->Apply(shapes);
BENCHMARK_CAPTURE(convolution, libtorch, Whose::kLibtorch)->Apply(shapes);
BENCHMARK_CAPTURE(convolution_with_gradients, ours, Whose::kOurs)->Apply(shapes);
BENCHMARK_CAPTURE(convolution_with_gradients, libtorch, Whose::kLibtorch)->Apply(shapes);
BENCHMARK_CAPTURE(group_norm_silu, ours, Whose::kOurs)->Apply(shapes);
BENCHMARK_CAPTURE(group_norm_silu, libtorch, Whose::kLibtorch)->Apply(shapes);
BENCHMARK(attention)->Args({16, 64, 16})->Args({2, 256, 16});
BENCHMARK_CAPTURE(byte_products, ours, Whose::kOurs)->Arg(5)->Arg(16);
BENCHMARK_CAPTURE(byte_products, libtorch, Whose::kLibtorch)->Arg(5)->Arg(16);
BENCHMARK(normal_numbers);

}  // namespace
}  // namespace equipoise::benchmarks
