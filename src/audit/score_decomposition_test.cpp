// Against the posterior of Gaussian classes, which the weights are by the identity they rest on.
#include "audit/score_decomposition.h"

#include <cmath>
#include <tuple>

#include <gtest/gtest.h>

#include "audit/conditional_law.h"
#include "core/error.h"

namespace equipoise::audit {
namespace {

ProbeOptions at_steps(std::vector<int64_t> steps) {
  ProbeOptions options;
  options.steps = std::move(steps);
  return options;
}

DecompositionOptions with(std::vector<int64_t> steps,
                          DecompositionRule rule = DecompositionRule::kSimplex) {
  DecompositionOptions options;
  options.steps = std::move(steps);
  options.rule = rule;
  return options;
}

at::Tensor images_of(const ConditionalLaw& law, int64_t a_class = 20) {
  return at::cat({law.sample(0, a_class, 1), law.sample(1, a_class, 1), law.sample(2, a_class, 1)});
}

at::Tensor posterior_at(const ConditionalLaw& law, const at::Tensor& images, int64_t step) {
  const NoisyImages noisy =
      noisy_images(images, 0, images.size(0), sigma_of_step(step), 0, at_steps({}));
  return law.posterior(noisy.x, at::full({images.size(0)}, noisy.sigma, at::kDouble));
}

double largest(const at::Tensor& difference) {
  return difference.abs().max().item<double>();
}

TEST(ScoreDecomposition, IsTheBayesPosteriorOfGaussianClasses) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law);
  const std::vector<int64_t> steps{20, 300, 700};
  const ScoreDecomposition found =
      decompose_scores(law, images, law.classes(), {"anyone"}, with(steps));
  for (size_t s = 0; s < steps.size(); ++s) {
    const at::Tensor exact = posterior_at(law, images, steps[s]);
    const at::Tensor weights = found.weights[static_cast<int64_t>(s)];
    EXPECT_LT(largest(weights - exact), 1e-6);
    EXPECT_TRUE(at::equal(weights.argmax(1), exact.argmax(1)));
  }
  EXPECT_LT(largest(found.residuals), 1e-6);
}

TEST(ScoreDecomposition, EndsInOneClassWithoutNoiseAndInThePriorsWithAllOfIt) {
  const ConditionalLaw law = three_classes(0.05);
  const at::Tensor images = images_of(law);
  const ScoreDecomposition found =
      decompose_scores(law, images, law.classes(), {"anyone"}, with({0, 999}));
  const at::Tensor truth = at::arange(3).repeat_interleave(20);
  EXPECT_TRUE(at::equal(found.weights[0].argmax(1), truth));
  EXPECT_GT(std::get<0>(found.weights[0].max(1)).min().item<double>(), 0.999);
  // sigma = 157 at t = 999: what is left of the images moves log odds by some hundredths.
  EXPECT_LT(largest(found.weights[1] - at::tensor({0.5, 0.3, 0.2}, at::kDouble)), 0.05);
}

TEST(ScoreDecomposition, IsTheSameForNoiseVelocityCleanImageAndScore) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law);
  DecompositionOptions options = with({100, 500});
  const at::Tensor by_noise =
      decompose_scores(law, images, law.classes(), {"anyone"}, options).weights;
  for (const Prediction prediction :
       {Prediction::kVelocity, Prediction::kClean, Prediction::kScore}) {
    options.prediction = prediction;
    EXPECT_LT(largest(decompose_scores(law, images, law.classes(), {"anyone"}, options).weights -
                      by_noise),
              1e-8);
  }
}

TEST(ScoreDecomposition, FollowsTheOrderOfItsPrompts) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law);
  const std::vector<Prompt> classes = law.classes();
  const at::Tensor plain =
      decompose_scores(law, images, classes, {"anyone"}, with({200})).weights[0];
  const at::Tensor turned =
      decompose_scores(law, images, {classes[2], classes[0], classes[1]}, {"anyone"}, with({200}))
          .weights[0];
  EXPECT_LT(largest(turned - plain.index_select(1, at::tensor({2, 0, 1}, at::kLong))), 1e-9);
}

TEST(ScoreDecomposition, ANeutralPromptThatIsAClassHasAllOfItsWeight) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law);
  const ScoreDecomposition found =
      decompose_scores(law, images, law.classes(), law.classes()[1], with({200}));
  EXPECT_LT(largest(found.weights[0] - at::tensor({0.0, 1.0, 0.0}, at::kDouble)), 1e-9);
  EXPECT_LT(largest(found.residuals), 1e-9);
}

TEST(ScoreDecomposition, OutsideTheHullItIsTheNearestPointAndSaysHowFar) {
  // Corners (0,0), (1,0), (0,1); the target (2,1) is nearest to (1,0).
  const at::Tensor corners =
      at::tensor({0.0, 0.0, 1.0, 0.0, 0.0, 1.0}, at::kDouble).reshape({1, 3, 2});
  const Decomposed found = decompose(corners, at::tensor({2.0, 1.0}, at::kDouble).unsqueeze(0),
                                     DecompositionRule::kSimplex);
  EXPECT_LT(largest(found.weights[0] - at::tensor({0.0, 1.0, 0.0}, at::kDouble)), 1e-9);
  EXPECT_NEAR(found.residuals[0].item<double>(), std::sqrt(2.0) / std::sqrt(5.0), 1e-12);
}

TEST(ScoreDecomposition, OtherRulesPickTheClassThatIsTheNeutralPrompt) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law);
  for (const char* name : {"cosine", "distance", "pca"}) {
    const ScoreDecomposition found = decompose_scores(law, images, law.classes(), law.classes()[2],
                                                      with({300}, parse_decomposition_rule(name)));
    EXPECT_TRUE(found.weights[0].argmax(1).eq(2).all().item<bool>()) << name;
  }
}

TEST(ScoreDecomposition, DistancesAreOfTheAskedPower) {
  const at::Tensor classes = at::tensor({3.0, 4.0, 0.0, 1.0}, at::kDouble).reshape({1, 2, 2});
  const at::Tensor origin = at::zeros({1, 2}, at::kDouble);
  const auto scores = [&](double power) {
    return decompose(classes, origin, DecompositionRule::kDistance, power).weights[0];
  };
  EXPECT_LT(largest(scores(1) - at::tensor({-7.0, -1.0}, at::kDouble)), 1e-12);
  EXPECT_LT(largest(scores(2) - at::tensor({-5.0, -1.0}, at::kDouble)), 1e-12);
}

TEST(ScoreDecomposition, ChunksAndWorkersChangeNothing) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law, 5);
  DecompositionOptions options = with({100});
  options.num_draws = 2;
  const auto weights = [&](int64_t chunk, int64_t workers) {
    options.chunk_size = chunk;
    options.num_workers = workers;
    return decompose_scores(law, images, law.classes(), {"anyone"}, options).weights;
  };
  EXPECT_LT(largest(weights(4, 1) - weights(15, 2)), 1e-10);
}

TEST(ScoreDecomposition, RefusesWhatItCannotDecompose) {
  const ConditionalLaw law = three_classes();
  const at::Tensor images = images_of(law, 1);
  EXPECT_THROW(decompose_scores(law, images, {law.classes()[0]}, {"anyone"}, with({5})),
               UsageError);
  EXPECT_THROW(decompose_scores(law, images, law.classes(), {"anyone"}, with({1000})), UsageError);
  EXPECT_THROW(parse_decomposition_rule("simplx"), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
