// A model trained and sampled on a CUDA device.
#include <gtest/gtest.h>
#include <torch/cuda.h>

#include "core/process.h"
#include "core/random.h"
#include "data/batch_source.h"
#include "diffusion/discriminator_ratio.h"
#include "nets/discriminator.h"
#include "objectives/objective.h"
#include "samplers/sample_images.h"
#include "train/denoiser_task.h"
#include "train/loop.h"

namespace equipoise::train {
namespace {

struct OnDevice : testing::Test {
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
    set_up_process();  // deterministic algorithms
  }
};

std::shared_ptr<diffusion::PreconditionedDenoiser> trained(const std::string& objective,
                                                           at::Device device, int64_t images) {
  const nets::DataShape shape{.resolution = 16, .channels = 1};
  const auto denoiser = diffusion::make_denoiser({.shape = shape,
                                                  .network = {{"type", "SongUNet"},
                                                              {"model_channels", 16},
                                                              {"channel_mult", {1, 2}},
                                                              {"num_blocks", 1},
                                                              {"attn_resolutions", {8}},
                                                              {"dropout", 0.1}}},
                                                 1);
  denoiser->to(device);
  objectives::ObjectiveInputs inputs;
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(objective).make;
  if (plugin.needs.ratio != objectives::RatioNeed::kNone) {
    const auto discriminator = nets::make_discriminator_network({{"type", "CNN"}}, shape, 0);
    discriminator->to(device);
    inputs.ratio = std::make_shared<diffusion::DiscriminatorRatio>(discriminator);
  }
  auto set = std::make_shared<data::ImageSet>();
  set->images =
      random_uniform(2, Purpose::kToyData, at::arange(64), {1, 16, 16}).mul(255).to(at::kByte);
  DenoiserTask::Parts parts;
  parts.denoiser = denoiser;
  parts.objective = plugin.make(nlohmann::json::object(), inputs);
  parts.source = std::make_shared<data::BatchSource>(set, at::arange(32), at::arange(32, 64),
                                                     data::BatchSource::Options{});
  parts.device = device;
  const DenoiserTask task(parts);
  LoopConfig config;
  config.images = images;
  config.batch_size = 32;
  config.micro_batch_size = 16;
  config.ramp_images = 32;
  config.tick_images = 1'000'000;
  Progress silent;
  run_loop(task, denoiser->parameters(), config, {}, "train", silent);
  return denoiser;
}

at::Tensor samples(const diffusion::Denoiser& denoiser, at::Device device, int64_t batch_size) {
  const auto sampler = samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 6}});
  const samplers::SampleRequest request{.seeds = at::arange(20),
                                        .item_shape = {1, 16, 16},
                                        .seed_base = 3,
                                        .class_labels = {},
                                        .latents = {}};
  Progress silent;
  return samplers::sample_images(denoiser, *sampler, request,
                                 {.batch_size = batch_size, .device = device}, silent)
      .images;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST_F(OnDevice, TrainingFollowsTheProcessors) {
  for (const char* objective : {"dsm_obs", "tiw_dsm"}) {
    const auto here = trained(objective, at::kCPU, 192), there = trained(objective, at::kCUDA, 192);
    const at::Tensor a = samples(*here, at::kCPU, 20), b = samples(*there, at::kCUDA, 20);
    // Measured against what six steps change.
    const at::Tensor start = samples(*trained(objective, at::kCPU, 1), at::kCPU, 20);
    EXPECT_LT(largest_difference(a, b), 0.1 * largest_difference(a, start)) << objective;
  }
}

TEST_F(OnDevice, TrainingRepeatsItself) {
  const auto once = trained("tiw_dsm", at::kCUDA, 320), again = trained("tiw_dsm", at::kCUDA, 320);
  for (size_t i = 0; i < once->parameters().size(); ++i)
    EXPECT_TRUE(at::equal(once->parameters()[i], again->parameters()[i])) << i;
}

TEST_F(OnDevice, ImagesDoNotDependOnTheBatchSize) {
  const auto denoiser = trained("dsm_obs", at::kCUDA, 32);
  const at::Tensor expected = samples(*denoiser, at::kCUDA, 20);
  EXPECT_TRUE(at::equal(samples(*denoiser, at::kCUDA, 7), expected));
}

}  // namespace
}  // namespace equipoise::train
