#include "train/discriminator_task.h"

#include <gtest/gtest.h>

#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/discriminator_fixture.h"

namespace equipoise::train {
namespace {

constexpr int64_t kPoints = 4000;

/// Reference points from N(1, 1), biased ones from N(-1, 1): l(x) = 2 x where nothing is noised.
std::shared_ptr<const data::ImageSet> line_points() {
  auto set = std::make_shared<data::ImageSet>();
  const at::Tensor numbers = at::arange(kPoints);
  const at::Tensor means = at::where(numbers < kPoints / 2, at::ones({}), -at::ones({}));
  set->images = random_normal(1, Purpose::kToyData, numbers, {1}) + means.unsqueeze(1);
  return set;
}

struct ExactRatio : diffusion::DensityRatio {
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return 2 * x.flatten(1).sum(1);
  }
};

/// Gradients of the slope at the exact time-dependent ratio, one for each point shown.
at::Tensor gradients_at_the_optimum(std::shared_ptr<const diffusion::DensityRatio> teacher) {
  const auto network = std::make_shared<diffusion::LineDiscriminator>(2, 0);
  DiscriminatorTask::Parts parts;
  parts.network = network;
  parts.source =
      std::make_shared<data::BatchSource>(line_points(), at::arange(kPoints / 2, kPoints),
                                          at::arange(kPoints / 2), data::BatchSource::Options{});
  parts.seed = 5;
  parts.teacher = std::move(teacher);
  const DiscriminatorTask task(parts);
  std::vector<at::Tensor> gradients;
  for (int64_t i = 0; i < kPoints; ++i)
    gradients.push_back(
        torch::autograd::grad({task.loss_sum(i, 1)}, {network->parameters()[0]}).front());
  return at::stack(gradients);
}

// With 4000 points, five standard errors of the means are below 0.05.
TEST(DiscriminatorTask, SoftLabelsKeepTheOptimumAndHaveLessNoise) {
  const at::Tensor hard = gradients_at_the_optimum(nullptr);
  const at::Tensor soft = gradients_at_the_optimum(std::make_shared<ExactRatio>());
  EXPECT_NEAR(hard.mean().item<double>(), 0, 0.05);
  EXPECT_NEAR(soft.mean().item<double>(), 0, 0.05);
  EXPECT_LT(soft.var().item<double>(), 0.7 * hard.var().item<double>());
}

TEST(DiscriminatorTask, LearnsTheTeachersRatioWhateverTheSets) {
  // A teacher that sees no difference: the labels are 1/2, and nothing is to be learnt.
  struct Undecided : diffusion::DensityRatio {
    at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                         const at::Tensor& = {}) const override {
      return at::zeros({x.size(0)});
    }
  };
  DiscriminatorTask::Parts parts;
  const auto network = std::make_shared<diffusion::LineDiscriminator>(0, 0);
  parts.network = network;
  parts.source = std::make_shared<data::BatchSource>(
      line_points(), at::arange(2000, 4000), at::arange(2000), data::BatchSource::Options{});
  parts.teacher = std::make_shared<Undecided>();
  const at::Tensor loss = DiscriminatorTask(parts).loss_sum(0, 64);
  const auto gradients = torch::autograd::grad({loss}, network->parameters());
  for (const at::Tensor& gradient : gradients) EXPECT_EQ(gradient.item<double>(), 0);
}

}  // namespace
}  // namespace equipoise::train
