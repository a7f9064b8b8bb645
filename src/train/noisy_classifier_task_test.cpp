#include "train/noisy_classifier_task.h"

#include <gtest/gtest.h>

#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/mixture_law.h"
#include "diffusion/noisy_classifier.h"
#include "guidance/minority.h"
#include "nets/adm_discriminator.h"

namespace equipoise::train {
namespace {

constexpr int64_t kNumImages = 64, kNumBins = 3;
const nets::DataShape kShape{.resolution = 8, .channels = 1};

/// Images whose bin shows in their brightness.
std::shared_ptr<const data::BatchSource> images() {
  auto set = std::make_shared<data::ImageSet>();
  const at::Tensor numbers = at::arange(kNumImages);
  set->labels = numbers.remainder(kNumBins);
  set->images = (set->labels * 80 + 40).to(at::kByte).reshape({-1, 1, 1, 1}).repeat({1, 1, 8, 8});
  set->class_names = {"typical", "between", "rare"};
  return std::make_shared<data::BatchSource>(
      set, numbers, at::empty({0}, at::kLong),
      data::BatchSource::Options{.law = data::Law::kBiased, .augment = {}});
}

/// The published kind: a frozen extractor under a small head.
std::shared_ptr<nets::AdmDiscriminator> frozen_classifier() {
  nets::AdmDiscriminatorConfig config{.outputs = kNumBins, .freeze_extractor = true};
  for (nets::EncoderUNetConfig* part : {&config.extractor, &config.head}) {
    part->model_channels = 32;
    part->num_res_blocks = 1;
    part->num_head_channels = 16;
  }
  config.extractor.channel_mult = {1, 2};
  config.extractor.attention_resolutions = {4};
  const auto network = std::make_shared<nets::AdmDiscriminator>(config, kShape, 0);
  // Weights that networks start with leave parts out.
  const at::NoGradGuard no_grad;
  uint32_t part = 0;
  for (at::Tensor& parameter : network->parameters())
    parameter.add_(random_normal(2, Purpose::kNoise, at::arange(1), parameter.sizes(), part++)[0] *
                   0.1);
  return network;
}

std::vector<at::Tensor> copies(const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> result;
  for (const at::Tensor& parameter : parameters) result.push_back(parameter.detach().clone());
  return result;
}

TEST(NoisyClassifierTask, TrainsTheHeadAloneAndGuidesThroughTheFrozenExtractor) {
  const auto network = frozen_classifier();
  const std::vector<at::Tensor> extractor = copies(network->extractor().parameters()),
                                head = copies(network->head().parameters());
  const NoisyClassifierTask task({.network = network,
                                  .source = images(),
                                  .law = {},
                                  .seed = 1,
                                  .heldout = {},
                                  .heldout_labels = {}});
  const LoopConfig config{.images = 32,
                          .batch_size = 16,
                          .micro_batch_size = 8,
                          .lanes = 2,
                          .ramp_images = 0,
                          .cool_down = false,
                          .ema = {},
                          .tick_images = 32};
  Progress progress;
  run_loop(task, network->trainable_parameters(), config, {}, "bins", progress);

  task.loss_sum(0, 8).backward();
  const std::vector<at::Tensor> extractor_after = network->extractor().parameters(),
                                head_after = network->head().parameters();
  for (size_t i = 0; i < extractor.size(); ++i) {
    EXPECT_TRUE(at::equal(extractor_after[i], extractor[i])) << i;
    EXPECT_FALSE(extractor_after[i].grad().defined()) << i;
  }
  size_t num_moved = 0;
  for (size_t i = 0; i < head.size(); ++i) {
    EXPECT_TRUE(head_after[i].grad().defined()) << i;
    num_moved += !at::equal(head_after[i], head[i]);
  }
  EXPECT_GT(num_moved, head.size() / 2);

  guidance::MinorityOptions options;
  options.scale = 1;
  const diffusion::NoisyClassifierUse use{.labels = {"typical", "between", "rare"}};
  const guidance::MinorityGuidance term(
      options, {.posterior = std::make_shared<diffusion::NoisyClassifier>(network, use)});
  const at::Tensor x =
      random_normal(3, Purpose::kToyData, at::arange(2), {1, 8, 8}).to(at::kDouble);
  const diffusion::Visit visit{.x = x,
                               .sigma = at::tensor({0.5, 2.0}, at::kDouble),
                               .level = at::zeros({2}, at::kLong),
                               .seeds = at::arange(2)};
  const at::Tensor shift = term.shift(visit, x, diffusion::isotropic_gaussian({0}));
  for (int64_t i = 0; i < 2; ++i) EXPECT_GT(shift[i].abs().max().item<double>(), 1e-4) << i;
}

}  // namespace
}  // namespace equipoise::train
