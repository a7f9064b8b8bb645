#include "pipeline/presets.h"

#include <gtest/gtest.h>

#include "core/config.h"
#include "core/libtorch.h"
#include "nets/classifier.h"
#include "nets/discriminator.h"
#include "nets/state.h"
#include "pipeline/experiment_config.h"
#include "pipeline/training_stages.h"

namespace equipoise::pipeline {
namespace {

constexpr int64_t kNumGroups = 10;
constexpr int64_t kWordEmbedding = 8;

/// Of the data a preset is named after.
nets::DataShape shape_of(const std::string& preset) {
  const std::pair<const char*, nets::DataShape> shapes[] = {
      {"toy", {.resolution = 0, .channels = 2}},
      {"mnist", {.resolution = 28, .channels = 1}},
      {"fashion", {.resolution = 28, .channels = 1}},
      {"cifar10", {.resolution = 32, .channels = 3}},
      {"fairface64", {.resolution = 64, .channels = 3}},
      {"fairface", {.resolution = 32, .channels = 3}},
      {"audit-faces", {.resolution = 32, .channels = 3}}};
  for (const auto& [prefix, shape] : shapes)
    if (preset.starts_with(prefix)) return shape;
  ADD_FAILURE() << "no shape is known here for the data of preset " << preset;
  return {};
}

TEST(Presets, NameNetworksThatCanBeMadeForTheirData) {
  for (const Preset& preset : presets()) {
    SCOPED_TRACE(preset.name);
    ConfigTree tree;
    tree.add_text(preset.toml, preset.name);
    const ExperimentConfig config = resolve_config(tree);
    nets::DataShape shape = shape_of(preset.name);
    EXPECT_NO_THROW(nets::make_discriminator_network(config.ratio_network, shape, 0));
    diffusion::ModelConfig model = model_config(config, shape, kNumGroups);
    if (config.words.is_on()) model.shape.label_dim = kWordEmbedding;
    EXPECT_NO_THROW(diffusion::make_denoiser(model, 0));
    shape.label_dim = kNumGroups;
    EXPECT_NO_THROW(nets::make_classifier_network(config.classifier_network, shape, 0));
  }
}

TEST(Presets, SayInTheirFirstLinesWhatTheyAreAndWhatToExpect) {
  for (const Preset& preset : presets()) {
    EXPECT_FALSE(preset.summary.empty()) << preset.name;
    EXPECT_NE(preset.toml.find("# Expected"), std::string::npos) << preset.name;
    EXPECT_NE(preset.toml.find("# Cost"), std::string::npos) << preset.name;
  }
}

}  // namespace
}  // namespace equipoise::pipeline
