// Loops take no large memory from the system once they are warm.
#include <memory>

#include <gtest/gtest.h>

#include "core/caching_allocator.h"
#include "core/libtorch.h"
#include "data/batch_source.h"
#include "diffusion/discriminator_ratio.h"
#include "diffusion/precondition.h"
#include "nets/discriminator.h"
#include "objectives/objective.h"
#include "samplers/sample_images.h"
#include "train/denoiser_task.h"
#include "train/loop.h"

namespace equipoise::train {
namespace {

std::shared_ptr<diffusion::PreconditionedDenoiser> small_denoiser() {
  const diffusion::ModelConfig config{.shape = {.resolution = 16, .channels = 1},
                                      .network = {{"type", "SongUNet"},
                                                  {"model_channels", 16},
                                                  {"channel_mult", {1, 2}},
                                                  {"num_blocks", 1},
                                                  {"attn_resolutions", {8}}}};
  return diffusion::make_denoiser(config, 1);
}

struct LoopMemory : testing::Test {
  static void SetUpTestSuite() { install_caching_allocator(); }
};

/// With the presets' kind of discriminator, where the objective asks for a ratio.
std::shared_ptr<const objectives::Objective> make_objective(const std::string& name) {
  const auto& plugin = objectives::ObjectiveRegistry::instance().find(name).make;
  objectives::ObjectiveInputs inputs;
  if (plugin.needs.ratio != objectives::RatioNeed::kNone)
    inputs.ratio = std::make_shared<diffusion::DiscriminatorRatio>(nets::make_discriminator_network(
        {{"type", "CNN"}}, {.resolution = 16, .channels = 1}, /*init_seed=*/0));
  return plugin.make(nlohmann::json::object(), inputs);
}

struct TrainingMemory : LoopMemory, testing::WithParamInterface<const char*> {};

TEST_P(TrainingMemory, TakesNothingFromTheSystemOnceWarm) {
  const auto denoiser = small_denoiser();
  auto set = std::make_shared<data::ImageSet>();
  set->images = at::full({64, 1, 16, 16}, 100, at::kByte);
  DenoiserTask::Parts parts;
  parts.denoiser = denoiser;
  parts.objective = make_objective(GetParam());
  parts.source = std::make_shared<data::BatchSource>(set, at::arange(32), at::arange(32, 64),
                                                     data::BatchSource::Options{});
  const DenoiserTask task(parts);
  std::vector<AllocationCounts> counts;
  LoopConfig config;
  config.images = 640;
  config.batch_size = 32;
  config.lanes = 1;  // with several, how many blocks are in use at once depends on their timing
  config.ramp_images = 32;
  config.tick_images = 128;
  LoopHooks hooks;
  hooks.on_tick = [&](const Tick&) { counts.push_back(allocation_counts()); };
  Progress silent;
  run_loop(task, denoiser->parameters(), config, hooks, "train", silent);
  ASSERT_EQ(counts.size(), 5u);
  EXPECT_GT(counts[4].num_large, counts[2].num_large + 100) << "the loop uses large blocks";
  EXPECT_EQ(counts[4].num_system, counts[2].num_system);
}

INSTANTIATE_TEST_SUITE_P(Objectives, TrainingMemory, testing::Values("dsm_obs", "tiw_dsm"));

TEST_F(LoopMemory, SamplingTakesNothingFromTheSystemOnceWarm) {
  const auto denoiser = small_denoiser();
  const auto heun = samplers::SamplerRegistry::instance().find("heun").make.make({{"steps", 6}});
  Progress silent;
  const auto run = [&] {
    samplers::sample_images(*denoiser, *heun, {.seeds = at::arange(64), .item_shape = {1, 16, 16}},
                            {.batch_size = 64}, silent);
    return allocation_counts();
  };
  const AllocationCounts warm = run();
  const AllocationCounts again = run();
  EXPECT_GT(again.num_large, warm.num_large + 100) << "the loop uses large blocks";
  EXPECT_EQ(again.num_system, warm.num_system);
}

}  // namespace
}  // namespace equipoise::train
