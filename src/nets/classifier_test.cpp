#include "nets/classifier.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::nets {
namespace {

const NetworkConfig kSmall{{"type", "CNN"}, {"channels", {8, 16}}};

TEST(CnnClassifier, ReadsLogitsFromItsFeatures) {
  const auto network = make_classifier_network(kSmall, {28, 1, 10}, 0);
  const at::Tensor images = random_normal(1, Purpose::kNoise, at::arange(3), {1, 28, 28});
  const at::Tensor features = network->features(images);
  EXPECT_EQ(features.sizes(), at::IntArrayRef({3, 16}));
  EXPECT_EQ(network->feature_dim(), 16);
  EXPECT_EQ(network->logits(images).sizes(), at::IntArrayRef({3, 10}));
  EXPECT_TRUE(at::equal(network->logits(images), network->logits_of_features(features)));
}

TEST(CnnClassifier, JudgesEachImageAlone) {
  const auto network = make_classifier_network(kSmall, {28, 1, 10}, 0);
  const at::Tensor images = random_normal(1, Purpose::kNoise, at::arange(3), {1, 28, 28});
  EXPECT_TRUE(at::allclose(network->logits(images)[1], network->logits(images.slice(0, 1, 2))[0],
                           1e-4, 1e-5));
}

// Class = which half is bright.
TEST(CnnClassifier, LearnsWhereTheLightIs) {
  const auto network = make_classifier_network(kSmall, {8, 1, 2}, 0);
  torch::optim::Adam adam(network->parameters(), torch::optim::AdamOptions(1e-2));
  const at::Tensor labels = at::arange(32).remainder(2);
  const auto batch = [&](uint32_t part) {
    at::Tensor images = random_normal(1, Purpose::kNoise, at::arange(32), {1, 8, 8}, part) * 0.5;
    for (int64_t i = 0; i < 32; ++i) images[i].slice(2, 4 * (i % 2), 4 * (i % 2) + 4).add_(1);
    return images;
  };
  for (uint32_t step = 0; step < 60; ++step) {
    adam.zero_grad();
    at::cross_entropy_loss(network->logits(batch(step)), labels).backward();
    adam.step();
  }
  EXPECT_GT(network->logits(batch(1000)).argmax(1).eq(labels).to(at::kFloat).mean().item<double>(),
            0.9);
}

TEST(MakeClassifierNetwork, RefusesWhatCannotBeClassified) {
  EXPECT_THROW(make_classifier_network(kSmall, {28, 1, 1}, 0), UsageError);
  EXPECT_THROW(make_classifier_network(kSmall, {0, 2, 3}, 0), UsageError);
  EXPECT_THROW(make_classifier_network({{"type", "CNN"}, {"chanels", {8}}}, {28, 1, 2}, 0),
               UsageError);
  EXPECT_THROW(
      make_classifier_network({{"type", "CNN"}, {"channels", {8, 8, 8, 8, 8}}}, {8, 1, 2}, 0),
      UsageError);
}

}  // namespace
}  // namespace equipoise::nets
