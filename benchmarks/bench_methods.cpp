// Whole images by sampling method, on workload S: 18 steps of Heun unless the name says otherwise.
//
// Names: sample/METHOD/64; items are images, `calls` the denoiser calls an image cost.
// `bench_methods --write-check FILE` instead writes networks, latents and images for the peer to
// compare.
#include <cstring>
#include <optional>

#include <benchmark/benchmark.h>

#include "core/parallel.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/model_file.h"
#include "diffusion/noisy_classifier.h"
#include "flags.h"
#include "guidance/discriminator.h"
#include "guidance/minority.h"
#include "samplers/sample_images.h"
#include "workload.h"

namespace equipoise::benchmarks {
namespace {

constexpr int64_t kNumImages = 64, kNumBins = 10;
using Terms = diffusion::GuidedDenoiser::Terms;

std::shared_ptr<nets::DiscriminatorNetwork> make_discriminator(const nets::DataShape& shape,
                                                               int64_t num_outputs) {
  auto network = nets::make_discriminator_network({{"type", "CNN"}, {"outputs", num_outputs}},
                                                  shape, /*init_seed=*/1);
  roughen(*network);
  network->to(device());
  return network;
}

struct Setup {
  diffusion::ModelConfig model = read_workload("S");
  std::shared_ptr<diffusion::PreconditionedDenoiser> denoiser =
      diffusion::make_denoiser(model, /*init_seed=*/0);
  std::shared_ptr<nets::DiscriminatorNetwork> discriminator = make_discriminator(model.shape, 1);
  std::shared_ptr<const diffusion::DensityRatio> ratio =
      std::make_shared<diffusion::DiscriminatorRatio>(discriminator);
  samplers::SampleRequest request;
  samplers::SampleOptions options;
  Progress silent;

  Setup() {
    roughen(*denoiser);
    denoiser->to(device());
    const int64_t side = model.shape.resolution;
    request = {.seeds = at::arange(kNumImages), .item_shape = {model.shape.channels, side, side}};
    const int64_t num_workers = device().is_cpu() ? num_cores() : 1;
    options = {
        .batch_size = kNumImages / num_workers, .num_threads = num_workers, .device = device()};
  }

  Terms terms(const std::string& name) const {
    if (name == "discriminator") {
      guidance::DiscriminatorOptions options;
      options.weight = options.second = 1;
      return {std::make_shared<guidance::DiscriminatorGuidance>(options, ratio)};
    }
    if (name == "minority") {
      const guidance::MinorityOptions options;
      const guidance::LabelSource source{std::make_shared<diffusion::NoisyClassifier>(
          make_discriminator(model.shape, kNumBins),
          diffusion::NoisyClassifierUse{.labels = std::vector<std::string>(kNumBins)})};
      return {std::make_shared<guidance::MinorityGuidance>(options, source)};
    }
    return {};
  }
};

std::unique_ptr<samplers::Sampler> make_sampler(const std::string& name) {
  return samplers::SamplerRegistry::instance().find(name).make.make(nlohmann::json::object());
}

void sample(benchmark::State& state, const std::string& solver, const std::string& guidance,
            bool is_tested) {
  Setup setup;
  const auto sampler = make_sampler(solver);
  const Terms terms = setup.terms(guidance);
  std::optional<samplers::Rejection> rejection;
  if (is_tested) {
    const samplers::RejectionConfig config{.warmup_images = kNumImages};
    rejection.emplace(
        setup.ratio, config, *sampler,
        samplers::measure_rejection_tables(*setup.denoiser, *sampler, *setup.ratio, config,
                                           setup.request, setup.options, setup.silent, terms));
  }
  double num_calls = 0;
  for (auto _ : state)
    num_calls += samplers::sample_images(*setup.denoiser, *sampler, setup.request, setup.options,
                                         setup.silent, terms, rejection ? &*rejection : nullptr)
                     .total_calls.sum()
                     .item<double>();
  const auto num_images = static_cast<double>(state.iterations() * kNumImages);
  state.SetItemsProcessed(state.iterations() * kNumImages);
  state.counters["calls"] = num_calls / num_images;
}

#define EQUIPOISE_SAMPLING(name, solver, guidance, is_tested)  \
  BENCHMARK_CAPTURE(sample, name, solver, guidance, is_tested) \
      ->Name("sample/" #name "/64")                            \
      ->UseRealTime()                                          \
      ->Unit(benchmark::kMillisecond)
EQUIPOISE_SAMPLING(plain, "heun", "", false);
EQUIPOISE_SAMPLING(discriminator, "heun", "discriminator", false);
EQUIPOISE_SAMPLING(rejection, "heun", "", true);
EQUIPOISE_SAMPLING(discriminator_and_rejection, "heun", "discriminator", true);
EQUIPOISE_SAMPLING(minority, "heun", "minority", false);
EQUIPOISE_SAMPLING(dpmpp_2m, "dpmpp_2m", "", false);

void write_check(const std::string& path) {
  Setup setup;
  const auto sampler = make_sampler("heun");
  nets::NamedTensors tensors = nets::state_of(*setup.denoiser);
  for (const auto& [name, tensor] : nets::state_of(*setup.discriminator))
    tensors["discriminator." + name] = tensor;
  setup.request.seeds = at::arange(4);
  const int64_t side = setup.model.shape.resolution;
  const at::Tensor latents = at::randn({4, setup.model.shape.channels, side, side});
  tensors["check.latents"] = latents;
  setup.request.latents = latents.to(at::kDouble);
  for (const char* name : {"plain", "discriminator"})
    tensors[std::string("check.") + name] =
        samplers::sample_images(*setup.denoiser, *sampler, setup.request, setup.options,
                                setup.silent, setup.terms(name))
            .images;
  diffusion::save_model(path, tensors, setup.model);
}

}  // namespace
}  // namespace equipoise::benchmarks

int main(int argc, char** argv) {
  equipoise::benchmarks::take_flags(argc, argv);
  if (argc == 3 && std::strcmp(argv[1], "--write-check") == 0) {
    equipoise::benchmarks::write_check(argv[2]);
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
