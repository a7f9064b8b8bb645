#include "audit/prompt_classification.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

/// 10 images of a group A, 8 of them told right; 20 of B, 10 told right.
ClassifiedImages uneven() {
  at::Tensor scores = at::zeros({30, 2}, at::kDouble);
  at::Tensor labels = at::cat({at::zeros({10}, at::kLong), at::ones({20}, at::kLong)});
  for (int64_t i = 0; i < 30; ++i) {
    const bool says_a = i < 8 || i >= 20;
    scores[i][says_a ? 0 : 1] = 0.8;
    scores[i][says_a ? 1 : 0] = 0.2;
  }
  return {.method = "test",
          .recipe = "made up",
          .scores = scores,
          .are_probabilities = true,
          .labels = labels,
          .group_names = {"A", "B"}};
}

double value_of(const PromptClassification& result, const std::string& name) {
  for (const AuditNumber& number : result.numbers)
    if (number.name == "test: " + name) return number.interval.value;
  ADD_FAILURE() << "no number " << name;
  return 0;
}

TEST(PromptClassification, CountsRightAnswersByGroup) {
  const PromptClassification result = judge_classification(uneven(), {});
  EXPECT_EQ(result.confusion, (metrics::ConfusionMatrix{{8, 2}, {10, 10}}));
  EXPECT_DOUBLE_EQ(value_of(result, "accuracy"), 0.6);
  EXPECT_DOUBLE_EQ(value_of(result, "accuracy on 'A'"), 0.8);
  EXPECT_NEAR(value_of(result, "accuracy gap between groups"), 0.3, 1e-12);
  // Every score is one of two values: 0.8 0.5 right, (0.8 0.5 + 0.2 0.5) tied.
  EXPECT_NEAR(value_of(result, "AUROC of 'A'"), 0.65, 1e-12);
  // All weights are 0.8, 18 of 30 answers are right.
  EXPECT_NEAR(value_of(result, "calibration error"), 0.2, 1e-12);
  EXPECT_EQ(result.calibration.at(8).count, 30);
  for (const AuditNumber& number : result.numbers) {
    EXPECT_TRUE(metrics::contains(number.interval, number.interval.value)) << number.name;
    EXPECT_FALSE(number.not_said.empty());
  }
}

TEST(PromptClassification, ScoresThatAreNoProbabilitiesHaveNoCalibration) {
  ClassifiedImages images = uneven();
  images.are_probabilities = false;
  const PromptClassification result = judge_classification(images, {});
  EXPECT_TRUE(result.calibration.empty());
  EXPECT_EQ(result.numbers.size(), 5u);
}

// Weights that are the true probabilities; 4,000 images. Over seeds the error is 0.013 on average
// and stays below 0.03.
TEST(PromptClassification, ExactPosteriorsAreCalibrated) {
  const at::Tensor first =
      random_uniform(1, Purpose::kToyData, at::arange(4000), {1}).to(at::kDouble);
  const at::Tensor chance =
      random_uniform(1, Purpose::kToyData, at::arange(4000), {1}, 1).to(at::kDouble);
  ClassifiedImages images = uneven();
  images.scores = at::cat({first, 1 - first}, 1);
  images.labels = chance.gt(first).to(at::kLong).squeeze(1);
  EXPECT_LT(value_of(judge_classification(images, {}), "calibration error"), 0.03);
  images.labels = 1 - images.labels;
  EXPECT_GT(value_of(judge_classification(images, {}), "calibration error"), 0.3);
}

TEST(PromptClassification, RefusesGroupsWithoutImages) {
  ClassifiedImages images = uneven();
  images.labels = at::zeros({30}, at::kLong);
  EXPECT_THROW(judge_classification(images, {}), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
