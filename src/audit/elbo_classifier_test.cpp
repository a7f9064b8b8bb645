#include "audit/elbo_classifier.h"

#include <cmath>

#include <gtest/gtest.h>

#include "audit/conditional_law.h"
#include "core/error.h"

namespace equipoise::audit {
namespace {

struct Classes {
  ConditionalLaw law = three_classes(0.2);
  at::Tensor images = at::cat({law.sample(0, 8, 1), law.sample(1, 8, 1), law.sample(2, 8, 1)});
  at::Tensor truth = at::arange(3).repeat_interleave(8);
};

TEST(ElboClassifier, PicksTheBayesClassOfSeparatedGaussians) {
  const Classes set;
  for (const ElementLoss loss :
       {ElementLoss::kSquare, ElementLoss::kAbsolute, ElementLoss::kHuber}) {
    ElboOptions options;
    options.loss = loss;
    const ElboClassification found =
        classify_by_elbo(set.law, set.images, set.law.classes(), options);
    EXPECT_TRUE(at::equal(found.predicted, set.truth));
    EXPECT_TRUE(at::allclose(found.probabilities().sum(1), at::ones({24}, at::kDouble)));
    EXPECT_TRUE(found.margins().gt(0).all().item<bool>());
  }
}

// Classes that overlap, one image: the spread over draws of the difference of two losses, with noise
// in common and with draws of its own for each prompt.
TEST(ElboClassifier, NoiseInCommonMakesDifferencesSurer) {
  const ConditionalLaw law = three_classes(3);
  const at::Tensor image = law.sample(0, 1, 1);
  const std::vector<Prompt> pair{law.classes()[0], law.classes()[1]};
  ElboOptions options;
  options.num_times = 200;
  const double together =
      classify_by_elbo(law, image, pair, options).margin_errors[0].item<double>();
  options.num_times = 10;
  std::vector<double> differences;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto loss_of = [&](uint64_t of_seed, int64_t k) {
      options.seed = of_seed;
      return classify_by_elbo(law, image, pair, options).losses[0][k].item<double>();
    };
    differences.push_back(loss_of(2 * seed, 1) - loss_of(2 * seed + 1, 0));
  }
  // Means of 10 draws, brought to 200.
  const double apart = at::tensor(differences, at::kDouble).std().item<double>() / std::sqrt(20.0);
  EXPECT_LT(together, 0.5 * apart);
}

TEST(ElboClassifier, MeansAndSumsOverElementsDifferByTheirNumber) {
  const Classes set;
  ElboOptions options;
  options.num_times = 5;
  const at::Tensor sums = classify_by_elbo(set.law, set.images, set.law.classes(), options).losses;
  options.sum_elements = false;
  const at::Tensor means = classify_by_elbo(set.law, set.images, set.law.classes(), options).losses;
  EXPECT_TRUE(at::allclose(sums, means * 8));
}

TEST(ElboClassifier, RefusesASingleClass) {
  const Classes set;
  EXPECT_THROW(classify_by_elbo(set.law, set.images, {set.law.classes()[0]}, {}), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
