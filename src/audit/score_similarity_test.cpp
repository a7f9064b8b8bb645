#include "audit/score_similarity.h"

#include <gtest/gtest.h>

#include "audit/conditional_law.h"

namespace equipoise::audit {
namespace {

ProbeOptions steps() {
  ProbeOptions options;
  options.steps = {5, 200, 600};
  return options;
}

void expect_cosines(const at::Tensor& table) {
  const at::Tensor diagonal = table.diagonal(0, -2, -1);
  EXPECT_TRUE(at::allclose(table, table.transpose(-2, -1)));
  EXPECT_TRUE(at::allclose(diagonal, at::ones_like(diagonal)));
  EXPECT_LE(table.abs().max().item<double>(), 1);
}

struct Compared {
  ConditionalLaw law = three_classes();
  at::Tensor images = law.sample(0, 20, 1);
  ScoreSimilarity by_noise = compare_scores(law, images, law.classes(), {"anyone"}, steps());
};

TEST(ScoreSimilarity, TablesAreSymmetricWithOnesOnTheDiagonal) {
  const Compared compared;
  for (const auto& tables : {compared.by_noise.across_prompts, compared.by_noise.across_steps,
                             compared.by_noise.across_differences})
    for (const Similarity& table : tables) expect_cosines(table.mean());
}

// Where images fill only some directions, noise in the others is what all prompts see first.
TEST(ScoreSimilarity, IsNearOneAtLittleNoiseWhateverThePromptsMean) {
  const ConditionalLaw law = classes_on_a_plane();
  const ScoreSimilarity compared =
      compare_scores(law, law.sample(0, 20, 1), law.classes(), {"anyone"}, steps());
  const auto least = [](const Similarity& table) { return table.mean().min().item<double>(); };
  EXPECT_GT(least(compared.across_prompts[0]), 0.95);
  EXPECT_LT(least(compared.across_prompts[1]), 0.9);
  EXPECT_LT(least(compared.across_differences[0]), 0.5);
}

TEST(ScoreSimilarity, NoiseAndVelocityGiveOtherCosines) {
  const Compared compared;
  const ScoreSimilarity by_velocity =
      compare_scores(compared.law, compared.images, compared.law.classes(), {"anyone"}, steps(),
                     Prediction::kVelocity);
  EXPECT_FALSE(at::allclose(by_velocity.across_prompts[1].cosines,
                            compared.by_noise.across_prompts[1].cosines, 1e-3, 1e-3));
}

TEST(ScoreSimilarity, EveryPromptHasItsOwnTableOverSteps) {
  const Compared compared;
  ASSERT_EQ(compared.by_noise.across_steps.size(), 3u);
  EXPECT_EQ(compared.by_noise.across_steps[0].mean().size(0), 3);
  EXPECT_FALSE(at::allclose(compared.by_noise.across_steps[0].mean(),
                            compared.by_noise.across_steps[1].mean(), 1e-3, 1e-3));
}

TEST(ScoreSimilarity, ADifferenceOfNothingHasNoDirection) {
  const Compared compared;
  const std::vector<Prompt> classes = compared.law.classes();
  const at::Tensor table =
      compare_scores(compared.law, compared.images, classes, classes[0], steps())
          .across_differences[0]
          .mean();
  EXPECT_TRUE(at::equal(table[0], at::zeros({3}, at::kDouble)));
}

TEST(ScoreSimilarity, EveryNumberHasAnIntervalAndItsLimits) {
  const Compared compared;
  const auto numbers =
      similarity_numbers(compared.by_noise, compared.law.classes(), {"anyone"}, steps());
  EXPECT_EQ(numbers.size(), 3u * 3u * 2u + 3u * 3u);
  for (const AuditNumber& number : numbers) {
    EXPECT_TRUE(metrics::contains(number.interval, number.interval.value)) << number.name;
    EXPECT_FALSE(number.recipe.empty());
    EXPECT_FALSE(number.not_said.empty());
  }
}

}  // namespace
}  // namespace equipoise::audit
