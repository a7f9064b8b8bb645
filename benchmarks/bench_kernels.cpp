// Our operators beside LibTorch's, one thread, at the shapes of workloads S and C.
//
// Names: OPERATOR/ours|libtorch/BATCH/CHANNELS/SIDE. `FLOP` is that of direct convolution, whatever
// the algorithm.
#include <benchmark/benchmark.h>

#include "core/libtorch.h"
#include "core/random.h"
#include "nets/ops.h"
#include "train/adam.h"

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

void pointwise(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const int64_t channels = state.range(1);
  const at::Tensor x = image_of(state, channels),
                   weight = at::randn({channels, channels, 1, 1}) * 0.05;
  for (auto _ : state) {
    if (whose == Whose::kOurs)
      benchmark::DoNotOptimize(nets::conv2d(x, weight, {}));
    else
      benchmark::DoNotOptimize(at::conv2d(x, weight));
  }
  count_flop(state, 1.0 / 9);
}

at::Tensor normed(Whose whose, const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                  const at::Tensor& bias) {
  if (whose == Whose::kOurs) return nets::group_norm_silu(x, weight, bias, {.groups = groups});
  return at::silu(at::group_norm(x, groups, weight, bias));
}

void group_norm_silu(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const int64_t channels = state.range(1), groups = std::min<int64_t>(32, channels / 4);
  const at::Tensor x = image_of(state, channels), weight = at::ones({channels}),
                   bias = at::zeros({channels});
  for (auto _ : state) benchmark::DoNotOptimize(normed(whose, x, groups, weight, bias));
  state.SetItemsProcessed(state.iterations() * x.numel());
}

void group_norm_silu_with_gradients(benchmark::State& state, Whose whose) {
  const int64_t channels = state.range(1), groups = std::min<int64_t>(32, channels / 4);
  const at::Tensor x = image_of(state, channels).requires_grad_(),
                   weight = at::ones({channels}).requires_grad_(),
                   bias = at::zeros({channels}).requires_grad_(), grad = image_of(state, channels);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        torch::autograd::grad({normed(whose, x, groups, weight, bias)}, {x, weight, bias}, {grad}));
  state.SetItemsProcessed(state.iterations() * x.numel());
}

/// The twin is nets::attention, of LibTorch's products and softmax.
at::Tensor attended(Whose whose, const at::Tensor& qkv) {
  if (whose == Whose::kOurs) return nets::self_attention(qkv, /*num_heads=*/1);
  const auto parts = qkv.reshape({qkv.size(0), qkv.size(1) / 3, 3, -1}).unbind(/*dim=*/2);
  return nets::attention(parts[0], parts[1], parts[2]);
}

void attention(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const at::Tensor qkv = image_of(state, 3 * state.range(1));
  for (auto _ : state) benchmark::DoNotOptimize(attended(whose, qkv));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void attention_with_gradients(benchmark::State& state, Whose whose) {
  const at::Tensor qkv = image_of(state, 3 * state.range(1)).requires_grad_();
  for (auto _ : state)
    benchmark::DoNotOptimize(torch::autograd::grad({attended(whose, qkv).sum()}, {qkv}));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void scaled_sum(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const at::Tensor a = image_of(state, state.range(1)), b = image_of(state, state.range(1));
  for (auto _ : state) {
    if (whose == Whose::kOurs)
      benchmark::DoNotOptimize(nets::scaled_sum(a, b, 0.7));
    else
      benchmark::DoNotOptimize((a + b) * 0.7);
  }
  state.SetItemsProcessed(state.iterations() * a.numel());
}

void resampling(benchmark::State& state) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = image_of(state, state.range(1)), box = nets::resample_kernel({1, 1});
  for (auto _ : state) benchmark::DoNotOptimize(nets::upsample(nets::downsample(x, box), box));
  state.SetItemsProcessed(state.iterations() * x.numel());
}

void dropout(benchmark::State& state, Whose whose) {
  const at::NoGradGuard no_grad;
  const at::Tensor x = image_of(state, state.range(1));
  const nets::ForwardRandomness randomness{.seed = 1, .image_numbers = at::arange(x.size(0))};
  for (auto _ : state) {
    if (whose == Whose::kOurs)
      benchmark::DoNotOptimize(nets::dropout(x, 0.13, &randomness, 0));
    else
      benchmark::DoNotOptimize(at::dropout(x, 0.13, /*train=*/true));
  }
  state.SetItemsProcessed(state.iterations() * x.numel());
}

/// Optimizer, weight average and the look for bad gradients, on one thread.
void adam(benchmark::State& state) {
  const at::Tensor values = at::randn({state.range(0)}), gradient = at::randn({state.range(0)});
  train::AdamState adam_state(values);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        train::adam_step({}, /*rate=*/1e-3, /*average_decay=*/0.999, gradient, values, adam_state));
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
BENCHMARK_CAPTURE(group_norm_silu_with_gradients, ours, Whose::kOurs)->Apply(shapes);
BENCHMARK_CAPTURE(group_norm_silu_with_gradients, libtorch, Whose::kLibtorch)->Apply(shapes);
BENCHMARK_CAPTURE(pointwise, ours, Whose::kOurs)->Apply(shapes);
BENCHMARK_CAPTURE(pointwise, libtorch, Whose::kLibtorch)->Apply(shapes);

void attention_shapes(benchmark::internal::Benchmark* of) {
  of->Args({16, 64, 16})->Args({2, 256, 16});
}
BENCHMARK_CAPTURE(attention, ours, Whose::kOurs)->Apply(attention_shapes);
BENCHMARK_CAPTURE(attention, libtorch, Whose::kLibtorch)->Apply(attention_shapes);
BENCHMARK_CAPTURE(attention_with_gradients, ours, Whose::kOurs)->Apply(attention_shapes);
BENCHMARK_CAPTURE(attention_with_gradients, libtorch, Whose::kLibtorch)->Apply(attention_shapes);
BENCHMARK_CAPTURE(scaled_sum, ours, Whose::kOurs)->Args({16, 64, 16});
BENCHMARK_CAPTURE(scaled_sum, libtorch, Whose::kLibtorch)->Args({16, 64, 16});
BENCHMARK(resampling)->Args({16, 64, 16});
BENCHMARK_CAPTURE(dropout, ours, Whose::kOurs)->Args({16, 64, 16});
BENCHMARK_CAPTURE(dropout, libtorch, Whose::kLibtorch)->Args({16, 64, 16});
BENCHMARK(adam)->Arg(1'750'000)->Arg(55'700'000);
BENCHMARK_CAPTURE(byte_products, ours, Whose::kOurs)->Arg(5)->Arg(16);
BENCHMARK_CAPTURE(byte_products, libtorch, Whose::kLibtorch)->Arg(5)->Arg(16);
BENCHMARK(normal_numbers);

}  // namespace
}  // namespace equipoise::benchmarks
