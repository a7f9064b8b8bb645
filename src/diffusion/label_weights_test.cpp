#include "diffusion/label_weights.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "data/label_noise.h"
#include "diffusion/label_fixture.h"

namespace equipoise::diffusion {
namespace {

using testing::HasSubstr;

/// Posterior h of one image, repeated for every label shown: [K,K] log.
at::Tensor log_rows(const std::vector<double>& posterior) {
  const auto num_classes = static_cast<int64_t>(posterior.size());
  return at::tensor(posterior, at::kDouble).log().unsqueeze(0).repeat({num_classes, 1});
}

/// Row j: the weights when label j is shown.
at::Tensor bayes_table(const at::Tensor& S, const std::vector<double>& posterior) {
  return bayes_weights(log_rows(posterior), S, at::arange(S.size(0)));
}

at::Tensor matrix_table(const at::Tensor& S, const std::vector<double>& shown_posterior) {
  return matrix_weights(log_rows(shown_posterior), S, at::linalg_inv(S).t(), at::arange(S.size(0)));
}

std::vector<double> shown_posterior(const at::Tensor& S, const std::vector<double>& posterior) {
  const at::Tensor g = S.t().matmul(at::tensor(posterior, at::kDouble)).contiguous();
  return {g.data_ptr<double>(), g.data_ptr<double>() + g.numel()};
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

at::Tensor published_cifar_noise() {
  return data::asymmetric_noise(data::published_map("cifar10"), 0.4);
}

TEST(LabelWeights, BothFormsHaveTheWorkedOutValues) {
  const at::Tensor S = three_class_transition();
  const std::vector<double> h{0.5, 0.3, 0.2};
  const at::Tensor expected = matrix_of(
      {{0.853659, 0.073171, 0.073171}, {0.256410, 0.615385, 0.128205}, {0.25, 0.15, 0.6}});
  EXPECT_LT(largest_difference(bayes_table(S, h), expected), 1e-6);
  EXPECT_LT(largest_difference(matrix_table(S, shown_posterior(S, h)), bayes_table(S, h)), 1e-12);
}

TEST(LabelWeights, SymmetricNoiseHasTheWorkedOutValues) {
  const at::Tensor S = data::symmetric_noise(10, 0.4);
  std::vector<double> sure_of_0(10, 0.01);
  sure_of_0[0] = 0.91;
  const at::Tensor table = bayes_table(S, sure_of_0);
  EXPECT_NEAR(table[0][0].item<double>(), 0.9927, 5e-5);
  EXPECT_NEAR(table[0][4].item<double>(), 0.0008, 5e-5);
  EXPECT_NEAR(table[5][0].item<double>(), 0.8089, 5e-5);
  EXPECT_NEAR(table[5][5].item<double>(), 0.12, 5e-5);
  EXPECT_NEAR(table[5][9].item<double>(), 0.0089, 5e-5);
  const at::Tensor unsure = bayes_table(S, std::vector<double>(10, 0.1));
  EXPECT_NEAR(unsure[3][3].item<double>(), 0.6, 1e-12);
  EXPECT_NEAR(unsure[3][8].item<double>(), 0.4 / 9, 1e-12);
}

TEST(LabelWeights, LabelsThatAreNeverWrongAreBelievedExactly) {
  const at::Tensor identity = at::eye(3, at::kDouble);
  EXPECT_TRUE(at::equal(bayes_table(identity, {0.2, 0.3, 0.5}), identity));
  EXPECT_TRUE(at::equal(bayes_table(identity, {1, 0, 0}), identity))
      << "even where the posterior rules them out";
}

TEST(LabelWeights, RowsAreDistributionsBeforeClamping) {
  for (int64_t draw = 0; draw < 50; ++draw) {
    const at::Tensor numbers = at::arange(6 * draw, 6 * draw + 5);
    const at::Tensor S = (random_uniform(3, Purpose::kToyData, numbers, {5}).to(at::kDouble) +
                          2 * at::eye(5, at::kDouble));
    const at::Tensor rows = S / S.sum(1, /*keepdim=*/true);
    const at::Tensor h = random_normal(3, Purpose::kToyData, numbers, {5}).to(at::kDouble) * 3;
    const at::Tensor shown = at::arange(5), log_h = h.log_softmax(1);
    const at::Tensor bayes = bayes_weights(log_h, rows, shown);
    const at::Tensor matrix =
        matrix_weights(log_h.exp().matmul(rows).log(), rows, at::linalg_inv(rows).t(), shown);
    for (const at::Tensor& w : {bayes, matrix, clamped_weights(matrix, shown)}) {
      EXPECT_LT(largest_difference(w.sum(1), at::ones({5}, at::kDouble)), 1e-12);
      EXPECT_GE(w.min().item<double>(), -1e-12);
      EXPECT_LE(w.max().item<double>(), 1 + 1e-12);
    }
    EXPECT_LT(largest_difference(bayes, matrix), 1e-11);
  }
}

TEST(LabelWeights, AClassifierThatKnowsNothingLeavesTheReversedMatrix) {
  for (const at::Tensor& S : {three_class_transition(), published_cifar_noise()}) {
    const auto num_classes = static_cast<size_t>(S.size(0));
    const std::vector<double> uniform(num_classes, 1.0 / static_cast<double>(num_classes));
    EXPECT_LT(largest_difference(bayes_table(S, uniform), reversed_transition(S)), 1e-12);
  }
}

TEST(LabelWeights, AClassifierThatKnowsTheClassCorrectsTheLabel) {
  const at::Tensor S = published_cifar_noise();
  std::vector<double> is_bird(10, 0);
  is_bird[2] = 1;
  const at::Tensor table = bayes_table(S, is_bird);
  EXPECT_EQ(table[0][2].item<double>(), 1) << "a bird shown as an airplane";
  EXPECT_EQ(table[2][2].item<double>(), 1);
  EXPECT_EQ(table[7][7].item<double>(), 1) << "a bird is never shown as a horse: no evidence";
}

TEST(LabelWeights, TheLawOfALabelIsTheAverageOfTheClasses) {
  const std::vector<double> means{-2, 0.5, 3};
  std::vector<GaussianMixture::Component> components;
  for (const double mean : means) components.push_back({1.0 / 3, {mean}, 1});
  const LabelModel model{.transition = three_class_transition(),
                         .posterior = std::make_shared<MixturePosterior>(
                             std::make_shared<const GaussianMixture>(components), 3)};
  const at::Tensor x = at::full({3, 1}, 0.7, at::kDouble);
  const at::Tensor sigma = at::full({3}, 0.9, at::kDouble);
  const at::Tensor weights = PosteriorLabelWeights(model).weights(x, sigma, at::arange(3));
  EXPECT_LT(largest_difference(weights, matrix_of({{0.41138, 0.43545, 0.15317},
                                                   {0.03048, 0.90332, 0.06620},
                                                   {0.05309, 0.39339, 0.55352}})),
            5e-6);

  std::vector<at::Tensor> scores, denoised;
  for (const double mean : means) {
    const GaussianMixture law = isotropic_gaussian({mean});
    scores.push_back(law.score(x, sigma).squeeze(1));
    denoised.push_back(law.denoise(x, sigma).squeeze(1));
  }
  const at::Tensor averaged_score = (weights * at::stack(scores, 1)).sum(1);
  EXPECT_LT(
      largest_difference(averaged_score, at::tensor({-0.467140, -0.061161, 0.580694}, at::kDouble)),
      1e-6);
  // The law of each shown label as a mixture of its own: its denoiser is the average.
  const at::Tensor reversed = reversed_transition(model.transition);
  const at::Tensor averaged = (weights * at::stack(denoised, 1)).sum(1);
  for (int64_t j = 0; j < 3; ++j) {
    std::vector<GaussianMixture::Component> parts;
    for (int64_t c = 0; c < 3; ++c)
      parts.push_back({reversed[j][c].item<double>(), {means[static_cast<size_t>(c)]}, 1});
    const at::Tensor direct = GaussianMixture(parts).denoise(x, sigma)[j][0];
    EXPECT_NEAR(averaged[j].item<double>(), direct.item<double>(), 1e-9);
  }
}

// Classes alike: the hotter the softmax, the less the image says, down to the matrix alone.
TEST(LabelWeights, ATemperatureWeakensWhatTheImageSays) {
  std::vector<GaussianMixture::Component> components;
  for (const double mean : {-2.0, 0.5, 3.0}) components.push_back({1.0 / 3, {mean}, 1});
  LabelModel model{.transition = three_class_transition(),
                   .posterior = std::make_shared<MixturePosterior>(
                       std::make_shared<const GaussianMixture>(components), 3)};
  const at::Tensor x = at::full({3, 1}, 0.7, at::kDouble), sigma = at::ones({3}, at::kDouble);
  const auto weights = [&](double temperature) {
    model.temperature = temperature;
    return PosteriorLabelWeights(model).weights(x, sigma, at::arange(3));
  };
  const at::Tensor reversed = reversed_transition(model.transition);
  EXPECT_LT(largest_difference(weights(1e6), reversed), 1e-5);
  const at::Tensor log_h = model.posterior->log_posterior(x, sigma);
  EXPECT_LT(largest_difference(weights(2), bayes_weights((log_h / 2).log_softmax(1),
                                                         model.transition, at::arange(3))),
            1e-12);
  EXPECT_GT(largest_difference(weights(2), weights(1)), 0.01);
}

TEST(LabelWeights, AnyClassSharesWillDo) {
  // Classes 0.7 / 0.2 / 0.1 and their exact posteriors: both forms still are P(true | shown, x).
  const std::vector<double> prior{0.7, 0.2, 0.1}, means{-1, 0, 1};
  std::vector<GaussianMixture::Component> components;
  for (size_t c = 0; c < 3; ++c) components.push_back({prior[c], {means[c]}, 1});
  const MixturePosterior posterior(std::make_shared<const GaussianMixture>(components), 3);
  const at::Tensor S = three_class_transition(), shown = at::arange(3);
  const at::Tensor x = at::full({3, 1}, 0.4, at::kDouble), sigma = at::full({3}, 0.5, at::kDouble);
  const at::Tensor log_h = posterior.log_posterior(x, sigma);
  const at::Tensor joint = S.t() * log_h[0].exp();
  const at::Tensor expected = joint / joint.sum(1, /*keepdim=*/true);
  EXPECT_LT(largest_difference(bayes_weights(log_h, S, shown), expected), 1e-12);
  EXPECT_LT(
      largest_difference(
          matrix_weights(log_h.exp().matmul(S).log(), S, at::linalg_inv(S).t(), shown), expected),
      1e-12);
}

TEST(ReversedTransition, HasTheWorkedOutRows) {
  const at::Tensor R = reversed_transition(published_cifar_noise());
  EXPECT_NEAR(R[0][0].item<double>(), 0.7143, 5e-5);
  EXPECT_NEAR(R[0][2].item<double>(), 0.2857, 5e-5);
  EXPECT_NEAR(R[3][3].item<double>(), 0.6, 1e-12);
  EXPECT_NEAR(R[3][5].item<double>(), 0.4, 1e-12);
  EXPECT_TRUE(at::equal(R[2], at::eye(10, at::kDouble)[2]));
  EXPECT_LT(largest_difference(R.sum(1), at::ones({10}, at::kDouble)), 1e-12);
  const at::Tensor symmetric = data::symmetric_noise(10, 0.4);
  EXPECT_LT(largest_difference(reversed_transition(symmetric), symmetric), 1e-12);
}

TEST(ReversedTransition, SymmetricNoiseHasTheInverseInClosedForm) {
  const double rate = 0.4, num_classes = 10;
  const double a = 1 / (1 - rate * num_classes / (num_classes - 1)), b = (1 - a) / num_classes;
  const at::Tensor expected = a * at::eye(10, at::kDouble) + b;
  EXPECT_LT(largest_difference(at::linalg_inv(data::symmetric_noise(10, rate)), expected), 1e-12);
}

TEST(ReversedTransition, WeighsClassesByTheirShares) {
  const at::Tensor S = matrix_of({{0.5, 0.5}, {0, 1}}), prior = at::tensor({0.2, 0.8}, at::kDouble);
  const at::Tensor R = reversed_transition(S, prior);
  EXPECT_NEAR(R[1][0].item<double>(), 0.1 / 0.9, 1e-12);
  EXPECT_NEAR(R[0][0].item<double>(), 1, 1e-12);
  EXPECT_TRUE(at::equal(reversed_transition(matrix_of({{0, 1}, {0, 1}}))[0],
                        at::tensor({1.0, 0.0}, at::kDouble)))
      << "a label that is never shown";
}

TEST(ClassShares, AreThoseBehindTheShownLabels) {
  const at::Tensor prior = at::tensor({0.6, 0.3, 0.1}, at::kDouble);
  const at::Tensor S = three_class_transition();
  EXPECT_LT(largest_difference(class_shares(S.t().matmul(prior), S), prior), 1e-12);
}

TEST(ClampedWeights, MendWhatContradictsTheMatrix) {
  // Inverse of S: ((1.5, -0.5), (-0.5, 1.5)); a classifier of shown labels surer than S allows.
  const at::Tensor S = matrix_of({{0.75, 0.25}, {0.25, 0.75}});
  const at::Tensor raw = matrix_table(S, {0.9, 0.1});
  // S^-T g = (1.3, -0.3).
  EXPECT_NEAR(raw[0][0].item<double>(), 0.75 * 1.3 / 0.9, 1e-12);
  EXPECT_NEAR(raw[0][1].item<double>(), -0.25 * 0.3 / 0.9, 1e-12);
  const at::Tensor mended = clamped_weights(raw, at::arange(2));
  EXPECT_TRUE(at::equal(mended, matrix_of({{1, 0}, {1, 0}})));
  const at::Tensor lost = matrix_of({{NAN, NAN}, {-1, -2}});
  EXPECT_TRUE(at::equal(clamped_weights(lost, at::arange(2)), at::eye(2, at::kDouble)));
}

TEST(PosteriorLabelWeights, ReadAPosteriorOfEitherKind) {
  const at::Tensor S = three_class_transition();
  const std::vector<double> h{0.5, 0.3, 0.2};
  const PosteriorLabelWeights of_true(
      {.transition = S, .posterior = std::make_shared<FixedPosterior>(h)});
  const PosteriorLabelWeights of_shown(
      {.transition = S,
       .posterior = std::make_shared<FixedPosterior>(shown_posterior(S, h)),
       .posterior_of = PosteriorOf::kShownLabel});
  const at::Tensor x = at::zeros({3, 2}), sigma = at::ones({3}), shown = at::arange(3);
  EXPECT_LT(largest_difference(of_true.weights(x, sigma, shown), bayes_table(S, h)), 1e-6);
  EXPECT_LT(largest_difference(of_shown.weights(x, sigma, shown), bayes_table(S, h)), 1e-6);
  EXPECT_LT(largest_difference(of_shown.unclamped(x, sigma, shown), bayes_table(S, h)), 1e-6);
}

TEST(PosteriorLabelWeights, RefuseWhatCannotWork) {
  const auto two = std::make_shared<FixedPosterior>(std::vector<double>{0.5, 0.5});
  const auto error_of = [](const LabelModel& model) -> std::string {
    try {
      const PosteriorLabelWeights weights(model);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(error_of({.transition = three_class_transition(), .posterior = two}),
              HasSubstr("classifier and transition matrix are of other classes"));
  EXPECT_THAT(error_of({.transition = at::eye(2, at::kDouble)}), HasSubstr("no classifier"));
  EXPECT_THAT(error_of({.posterior = two}), HasSubstr("no transition matrix"));
  EXPECT_THAT(error_of({.transition = matrix_of({{0.5, 0.5}, {0.5, 0.5}}), .posterior = two}),
              HasSubstr("cannot be undone"));
  EXPECT_THAT(error_of({.transition = matrix_of({{0.5, 0.6}, {0, 1}}), .posterior = two}),
              HasSubstr("no distribution"));
  EXPECT_THROW(
      bayes_weights(at::full({1, 2}, NAN), at::eye(2, at::kDouble), at::zeros({1}, at::kLong)),
      NumericError);
}

}  // namespace
}  // namespace equipoise::diffusion
