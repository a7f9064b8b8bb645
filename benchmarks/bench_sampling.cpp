// Denoiser calls as samplers make them: no graph, the batch split over the cores.
//
// Names: forward/WORKLOAD/BATCH; items are images. `bench_sampling --write-check S FILE` instead
// writes a workload's weights with an input and the output, for the peer to compare.
#include <cstring>

#include <benchmark/benchmark.h>

#include "core/parallel.h"
#include "diffusion/model_file.h"
#include "flags.h"
#include "nets/ops.h"
#include "workload.h"

namespace equipoise::benchmarks {
namespace {

constexpr int64_t kProcessorChunk = 16;

void forward(benchmark::State& state, const std::string& workload) {
  const int64_t batch = state.range(0);
  const diffusion::ModelConfig model = read_workload(workload);
  const auto denoiser = diffusion::make_denoiser(model, /*init_seed=*/0);
  denoiser->to(device());
  const int64_t side = model.shape.resolution;
  const at::Tensor x = at::randn({batch, model.shape.channels, side, side}).to(device());
  const at::Tensor sigma = at::full({batch}, 1.5f, x.options());
  const int64_t num_workers = device().is_cpu() ? std::min(num_cores(), batch) : 1,
                chunk = device().is_cpu() ? kProcessorChunk : batch;
  const auto denoise_share = [&](int64_t worker) {
    const at::NoGradGuard no_grad;
    const int64_t end = (worker + 1) * batch / num_workers;
    for (int64_t begin = worker * batch / num_workers; begin < end; begin += chunk) {
      const int64_t next = std::min(begin + chunk, end);
      benchmark::DoNotOptimize(
          denoiser->denoise(x.slice(0, begin, next), sigma.slice(0, begin, next)));
    }
  };
  const nets::FrozenWeights frozen;
  constexpr int kWarmUps = 4;  // a device captures its graph in the third
  for (int i = 0; i < kWarmUps && device().is_cuda(); ++i) denoise_share(0);
  wait_for_device();
  for (auto _ : state) {
    run_workers(num_workers, denoise_share);
    wait_for_device();
  }
  state.SetItemsProcessed(state.iterations() * batch);
}

// The largest batches are for devices.
BENCHMARK_CAPTURE(forward, S, "S")
    ->Name("forward/S")
    ->Arg(512)
    ->Arg(64)
    ->Arg(8)
    ->Arg(1)
    ->UseRealTime();
BENCHMARK_CAPTURE(forward, C, "C")->Name("forward/C")->Arg(128)->Arg(4)->UseRealTime();

void write_check(const std::string& workload, const std::string& path) {
  const diffusion::ModelConfig model = read_workload(workload);
  const auto denoiser = diffusion::make_denoiser(model, /*init_seed=*/0);
  const at::NoGradGuard no_grad;
  roughen(*denoiser);
  nets::NamedTensors tensors = nets::state_of(*denoiser);
  const int64_t side = model.shape.resolution;
  const at::Tensor x = at::randn({3, model.shape.channels, side, side});
  const at::Tensor sigma = at::tensor({0.05f, 1.0f, 10.0f});
  tensors["check.x"] = x;
  tensors["check.sigma"] = sigma;
  tensors["check.denoised"] = denoiser->denoise(x, sigma);
  diffusion::save_model(path, tensors, model);
}

}  // namespace
}  // namespace equipoise::benchmarks

int main(int argc, char** argv) {
  equipoise::benchmarks::take_flags(argc, argv);
  if (argc == 4 && std::strcmp(argv[1], "--write-check") == 0) {
    equipoise::benchmarks::write_check(argv[2], argv[3]);
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
