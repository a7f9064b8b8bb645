// Worked examples of iw_dsm and tiw_dsm: weights, targets, and the denoisers that minimise them.
#include <cmath>

#include <gtest/gtest.h>

#include "objectives/objective_fixture.h"
#include "objectives/ratio_weight.h"

namespace equipoise::objectives {
namespace {

using diffusion::GaussianMixture;

double weight_of(const RatioWeight& rule, double log_ratio) {
  return rule.weight(at::full({1}, log_ratio, at::kDouble)).item<double>();
}

TEST(RatioWeight, LogitRuleHasTheWorkedOutValues) {
  EXPECT_NEAR(weight_of({.alpha = 0}, -2), 1, 1e-12);
  EXPECT_NEAR(weight_of({.alpha = 0.25}, -2), 0.755081, 1e-6);
  EXPECT_NEAR(weight_of({.alpha = 0.5}, -2), 0.537883, 1e-6);
  EXPECT_NEAR(weight_of({.alpha = 1}, -2), 0.238406, 1e-6);
  EXPECT_NEAR(weight_of({.alpha = 2}, -2), 0.035972, 1e-6);
  EXPECT_NEAR(weight_of({.alpha = 1}, std::log(2.5)), 1.428571, 1e-6);
}

TEST(RatioWeight, WeightRuleIsAPowerOfTheWeight) {
  EXPECT_NEAR(weight_of({.alpha = 0.5, .alpha_rule = "weight"}, -2), std::sqrt(0.238406), 1e-6);
  EXPECT_NEAR(weight_of({.alpha = 0, .alpha_rule = "weight"}, -2), 1, 1e-12);
  EXPECT_NEAR(weight_of({.alpha = 1, .alpha_rule = "weight"}, -2), weight_of({}, -2), 1e-15);
}

TEST(RatioWeight, StaysBetweenZeroAndTwo) {
  EXPECT_EQ(weight_of({}, -2000), 0);
  EXPECT_EQ(weight_of({}, 2000), 2);
}

TEST(RatioWeight, SlopeIsTheDerivativeOfTheLogWeight) {
  for (const char* law : {"obs", "bias"}) {
    for (const char* alpha_rule : {"logit", "weight"}) {
      const RatioWeight rule{.alpha = 0.7, .alpha_rule = alpha_rule, .law = law};
      for (const double l : {-3.0, 0.2, 2.0}) {
        const double difference =
            (std::log(weight_of(rule, l + 1e-5)) - std::log(weight_of(rule, l - 1e-5))) / 2e-5;
        EXPECT_NEAR(rule.slope(at::full({1}, l, at::kDouble)).item<double>(), difference, 1e-8)
            << law << alpha_rule;
      }
    }
  }
}

const nlohmann::json kNoOptions = nlohmann::json::object();

struct Point {
  double x1, x2, sigma;
};
const std::vector<Point> kPoints{{0.3, -0.1, 0.5}, {1, 0.5, 1}, {-1, 2, 2}};

at::Tensor tensor_of(const Point& point) {
  return at::tensor({point.x1, point.x2}, at::kDouble).unsqueeze(0);
}

GaussianMixture toy_law(double low_mode_weight) {
  return GaussianMixture({{.weight = low_mode_weight, .mean = {-2, -2}},
                          {.weight = 1 - low_mode_weight, .mean = {2, 2}}});
}

// Loss of `denoiser` at one noisy point when clean images there are spread as under `drawn_from`.
// The loss is quadratic in the clean image, so their mean stands for all of them, up to a constant.
double excess_loss(const std::string& name, const nlohmann::json& options,
                   const GaussianMixture& drawn_from, const GaussianMixture& denoiser,
                   const Point& point) {
  const at::Tensor x = tensor_of(point);
  const at::Tensor clean = drawn_from.denoise(x, at::full({1}, point.sigma, at::kDouble));
  const auto objective = make_objective(name, toy_ratio(), options);
  return objective->loss(denoiser, batch_at(clean, x, point.sigma), {}).sum().item<double>();
}

const GaussianMixture kBiased = toy_law(0.8);
const GaussianMixture kObserved = toy_law(0.65);
const GaussianMixture kUnbiased = toy_law(0.5);

TEST(TiwDsm, MinimiserIsTheUnbiasedDenoiser) {
  for (const Point& point : kPoints) {
    EXPECT_LT(excess_loss("tiw_dsm", kNoOptions, kObserved, kUnbiased, point), 1e-20);
    EXPECT_GT(excess_loss("tiw_dsm", kNoOptions, kObserved, kObserved, point), 1e-3);
  }
}

TEST(TiwDsm, BiasedLawFormHasTheSameMinimiser) {
  for (const Point& point : kPoints) {
    EXPECT_LT(excess_loss("tiw_dsm", {{"law", "bias"}}, kBiased, kUnbiased, point), 1e-20);
    EXPECT_GT(excess_loss("tiw_dsm", {{"law", "bias"}}, kObserved, kUnbiased, point), 1e-3)
        << "laws must not be mixed";
  }
  const auto objective = make_objective("tiw_dsm", toy_ratio(), {{"law", "bias"}});
  EXPECT_EQ(objective->training_set(), diffusion::TrainingSet::kBiased);
}

TEST(TiwDsm, AblationsHaveTheirOwnMinimisers) {
  for (const Point& point : kPoints) {
    EXPECT_LT(excess_loss("tiw_target_only", kNoOptions, kObserved, kUnbiased, point), 1e-20);
    EXPECT_LT(excess_loss("tiw_weight_only", kNoOptions, kObserved, kObserved, point), 1e-20)
        << "weights cancel";
    EXPECT_GT(excess_loss("tiw_weight_only", kNoOptions, kObserved, kUnbiased, point), 1e-3);
  }
}

/// Weight and target of the first coordinate of one item, read off the losses of three constant
/// denoisers.
struct WeightAndTarget {
  double weight, target;
};

WeightAndTarget read_off(const Objective& objective, const diffusion::NoisyBatch& batch) {
  const auto loss_at = [&](double value) {
    return objective.loss(ConstantDenoiser(value), batch, {})[0][0].item<double>();
  };
  const double below = loss_at(-1), middle = loss_at(0), above = loss_at(1);
  const double weight = (above + below) / 2 - middle;
  return {weight, (below - above) / (4 * weight)};
}

TEST(TiwDsm, WeightsAndTargetsHaveTheWorkedOutValues) {
  struct Expected {
    double weight, observed, correction, unbiased;
  };
  const std::vector<Expected> expected{{1.102356, 0.244192, 0.119611, 0.363803},
                                       {1.372767, 1.330728, 0.074420, 1.405148},
                                       {1.128649, -0.055625, 0.463543, 0.407918}};
  const auto objective = make_objective("tiw_dsm", toy_ratio());
  for (size_t i = 0; i < kPoints.size(); ++i) {
    const at::Tensor x = tensor_of(kPoints[i]);
    const at::Tensor observed = kObserved.denoise(x, at::full({1}, kPoints[i].sigma, at::kDouble));
    EXPECT_NEAR(observed[0][0].item<double>(), expected[i].observed, 1e-6);
    const auto [weight, target] = read_off(*objective, batch_at(observed, x, kPoints[i].sigma));
    EXPECT_NEAR(weight, expected[i].weight, 1e-6);
    EXPECT_NEAR(target - observed[0][0].item<double>(), expected[i].correction, 1e-6);
    EXPECT_NEAR(target, expected[i].unbiased, 2e-6);
  }
}

TEST(TiwDsm, CorrectionOfTwoShiftedGaussiansIsTheirSlope) {
  const auto normal = [](double mean) {
    return std::make_shared<const GaussianMixture>(diffusion::isotropic_gaussian({mean}));
  };
  const auto objective =
      make_objective("tiw_dsm", std::make_shared<diffusion::MixtureRatio>(normal(1), normal(-1)));
  const double x = 0.4, sigma = 0.8, variance = 1 + sigma * sigma;
  const double probability = 1 / (1 + std::exp(-2 * x / variance));
  const at::Tensor noisy = at::full({1, 1}, x, at::kDouble);
  const auto [weight, target] = read_off(*objective, batch_at(at::zeros_like(noisy), noisy, sigma));
  EXPECT_NEAR(weight, 2 * probability, 1e-10);
  EXPECT_NEAR(target, sigma * sigma * 2 * (1 - probability) / variance, 1e-10);
}

TEST(TiwDsm, CorrectionLeadsTowardsTheReference) {
  const at::Tensor x = tensor_of({-2, -2, 1});
  const auto [weight, target] =
      read_off(*make_objective("tiw_dsm", toy_ratio()), batch_at(x, x, 1));
  const at::Tensor moved = x + 0.1 * (target + 2);
  const at::Tensor sigma = at::ones({1}, at::kDouble);
  EXPECT_GT(target, -2);
  EXPECT_GT(toy_ratio()->log_ratio(moved, sigma).item<double>(),
            toy_ratio()->log_ratio(x, sigma).item<double>());
}

TEST(TiwDsm, CorrectionVanishesAtBothEndsOfTheNoise) {
  const at::Tensor x = tensor_of({1, 0.5, 1});
  const auto objective = make_objective("tiw_dsm", toy_ratio());
  EXPECT_NEAR(read_off(*objective, batch_at(x, x, 0.002)).target, 1, 1e-4);
  EXPECT_NEAR(read_off(*objective, batch_at(x, 80 * x, 80)).weight, 1, 0.02);
}

// The constant that minimises the loss over a batch of one noisy point.
double minimiser(const Objective& objective, const diffusion::NoisyBatch& batch) {
  const auto loss_at = [&](double value) {
    return objective.loss(ConstantDenoiser(value), batch, {}).sum().item<double>();
  };
  const double below = loss_at(-1), middle = loss_at(0), above = loss_at(1);
  return (below - above) / (2 * (above + below - 2 * middle));
}

TEST(IwDsm, MinimiserIsTheUnbiasedDenoiser) {
  const auto law = [](double low_mode_weight) {
    return std::make_shared<const GaussianMixture>(std::vector<GaussianMixture::Component>{
        {.weight = low_mode_weight, .mean = {-2}}, {.weight = 1 - low_mode_weight, .mean = {2}}});
  };
  const auto ratio = std::make_shared<diffusion::MixtureRatio>(law(0.5), law(0.8));
  const at::Tensor clean = at::linspace(-12, 12, 4801, at::kDouble).unsqueeze(1);
  const at::Tensor none = at::zeros({clean.size(0)}, at::kDouble);
  const auto minimiser_at = [&](const std::string& name, double x, double sigma) {
    diffusion::NoisyBatch batch = batch_at(clean, at::full_like(clean, x), sigma);
    // The posterior of clean images given x, as the items' loss weights.
    batch.loss_weight =
        (law(0.65)->log_density(clean, none) - 0.5 * ((clean.flatten() - x) / sigma).square())
            .exp();
    return minimiser(*make_objective(name, ratio), batch);
  };
  EXPECT_NEAR(minimiser_at("iw_dsm", 0.3, 1.3), 0.387229, 1e-6);
  EXPECT_NEAR(minimiser_at("iw_dsm", -1.5, 0.7), -1.641386, 1e-6);
  EXPECT_NEAR(minimiser_at("dsm_obs", -1.5, 0.7), -1.651920, 1e-6);
}

/// Perfectly sure: positive points are reference, negative ones biased.
class CertainRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return 2000 * x.flatten(1).sum(1).sign();
  }
};

TEST(IwDsm, CertainRatioTrainsOnTheReferenceAlone) {
  const at::Tensor clean = at::tensor({1.0f, -1.0f}).unsqueeze(1);
  const diffusion::NoisyBatch batch = batch_at(clean, clean + 0.1, 0.5);
  const auto weighted = make_objective("iw_dsm", std::make_shared<CertainRatio>());
  const at::Tensor loss = weighted->loss(ConstantDenoiser(0.2), batch, {});
  const at::Tensor plain =
      make_objective("dsm_ref", nullptr)->loss(ConstantDenoiser(0.2), batch, {});
  EXPECT_EQ(loss[0][0].item<float>(), 2 * plain[0][0].item<float>());
  EXPECT_EQ(loss[1][0].item<float>(), 0);
}

TEST(IwDsm, WeightDoesNotDependOnTheNoise) {
  const at::Tensor clean = tensor_of({0.4, 0.1, 1});
  const auto objective = make_objective("iw_dsm", toy_ratio());
  const double near = read_off(*objective, batch_at(clean, clean + 0.1, 0.1)).weight;
  const double far = read_off(*objective, batch_at(clean, clean - 30, 20)).weight;
  EXPECT_NEAR(near, far, 1e-12);
}

}  // namespace
}  // namespace equipoise::objectives
