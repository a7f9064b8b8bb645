// The closed forms, against numbers worked out independently: quadrature in one dimension, and the
// toy law's formulas.
#include "diffusion/mixture_law.h"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"

namespace equipoise::diffusion {
namespace {

at::Tensor points(std::vector<double> values) {
  return at::tensor(at::ArrayRef<double>(values), at::kDouble).reshape({-1, 2});
}
at::Tensor levels(double sigma, int64_t count) {
  return at::full({count}, sigma, at::kDouble);
}

// w = p_unbiased / p_biased of the toy at one point.
double toy_ratio(double x1, double x2, double sigma) {
  const LawPair laws = two_mode_laws();
  return MixtureRatio(laws.unbiased, laws.biased)
      .log_ratio(points({x1, x2}), levels(sigma, 1))
      .exp()
      .item<double>();
}

TEST(GaussianMixture, OneComponentIsANormalLaw) {
  const GaussianMixture law = isotropic_gaussian({1, -1, 0}, 2);
  const at::Tensor x = at::tensor({0.5, 0.5, 3.0}, at::kDouble).unsqueeze(0);
  const double variance = 4 + 9;
  const double expected =
      -1.5 * std::log(2 * std::numbers::pi * variance) - (0.25 + 2.25 + 9) / (2 * variance);
  EXPECT_NEAR(law.log_density(x, levels(3, 1)).item<double>(), expected, 1e-12);
  EXPECT_NEAR(law.denoise(x, levels(3, 1))[0][2].item<double>(), 3 * 4 / variance, 1e-12);
}

TEST(GaussianMixture, ScoreIsTheGradientOfTheLogDensity) {
  const GaussianMixture law(
      {{.weight = 0.3, .mean = {-1, 2}, .std = 0.5}, {.weight = 0.7, .mean = {1, 0}, .std = 1.5}});
  const at::Tensor x = points({0.2, 0.9, -3, 1, 4, 4}).requires_grad_(true);
  for (const double sigma : {0.0, 0.3, 5.0}) {
    const at::Tensor score = law.score(x, levels(sigma, 3)).detach();
    const at::Tensor gradient =
        torch::autograd::grad({law.log_density(x, levels(sigma, 3)).sum()}, {x}).front();
    EXPECT_LT((score - gradient).abs().max().item<double>(), 1e-12);
  }
}

TEST(GaussianMixture, DenoiserAndScoreAgree) {
  const auto law = two_mode_laws().biased;
  const at::Tensor x = points({0.3, -0.1, 5, 2, -2, -2});
  const at::Tensor from_score = x + 0.49 * law->score(x, levels(0.7, 3));
  EXPECT_LT((law->denoise(x, levels(0.7, 3)) - from_score).abs().max().item<double>(), 1e-12);
}

TEST(GaussianMixture, WorksOnImageShapesAndFloat32) {
  const GaussianMixture law = isotropic_gaussian({1, 2, 3, 4}, 0);
  const at::Tensor x = at::zeros({2, 1, 2, 2});
  const at::Tensor denoised = law.denoise(x, at::ones({2}));
  EXPECT_EQ(denoised.sizes(), x.sizes());
  EXPECT_EQ(denoised.scalar_type(), at::kFloat);
  EXPECT_EQ(denoised[1][0][1][1].item<float>(), 4);
}

TEST(GaussianMixture, SamplesFollowTheLaw) {
  const at::Tensor samples = two_mode_laws().biased->sample(3, at::arange(50000));
  const at::Tensor is_low_mode = samples.sum(1) < 0;
  EXPECT_NEAR(is_low_mode.to(at::kDouble).mean().item<double>(), 0.8, 0.006);
  const at::Tensor low = samples.index({is_low_mode});
  EXPECT_NEAR(low.mean().item<double>(), -2, 0.02);
  EXPECT_NEAR(low.std().item<double>(), 1, 0.02);
}

TEST(GaussianMixture, SamplesDependOnTheirNumberAlone) {
  const auto law = two_mode_laws().biased;
  EXPECT_TRUE(
      at::equal(law->sample(3, at::arange(10)).slice(0, 7), law->sample(3, at::arange(7, 10))));
}

TEST(GaussianMixture, RefusesWhatIsNotAMixture) {
  using Components = std::vector<GaussianMixture::Component>;
  const Components none, half{{.weight = 0.5, .mean = {0}}};
  const Components uneven{{.weight = 0.5, .mean = {0}}, {.weight = 0.5, .mean = {0, 1}}};
  for (const Components& components : {none, half, uneven})
    EXPECT_THROW(GaussianMixture{components}, UsageError);
  EXPECT_THROW(isotropic_gaussian({0}).log_density(at::zeros({2, 3}), at::zeros({2})), UsageError);
}

TEST(MixtureRatio, HasTheToyValues) {
  for (const double sigma : {0.0, 1.0, 20.0}) EXPECT_NEAR(toy_ratio(0.7, -0.7, sigma), 1, 1e-9);
  EXPECT_NEAR(toy_ratio(-2, -2, 0), 0.625, 1e-6);
  EXPECT_NEAR(toy_ratio(-2, -2, 2), 0.643915, 1e-6);
  EXPECT_NEAR(toy_ratio(-2, -2, 5), 0.848175, 1e-6);
  EXPECT_NEAR(toy_ratio(2, 2, 0), 2.5, 1e-5);
  EXPECT_NEAR(toy_ratio(2, 2, 2), 2.237142, 1e-6);
  EXPECT_NEAR(toy_ratio(2, 2, 5), 1.218029, 1e-6);
  EXPECT_NEAR(toy_ratio(std::log(4) / 8, std::log(4) / 8, 0), 1.5625, 1e-9);
  EXPECT_NEAR(toy_ratio(0, -3, 20), 1, 0.02) << "no difference is left at high noise";
}

TEST(MixtureRatio, GradientOfTwoShiftedGaussiansIsConstant) {
  const auto normal = [](double mean) {
    return std::make_shared<const GaussianMixture>(isotropic_gaussian({mean}));
  };
  const at::Tensor x =
      at::tensor({-3.0, 0.4, 2.0}, at::kDouble).reshape({3, 1}).requires_grad_(true);
  const at::Tensor log_ratio = MixtureRatio(normal(1), normal(-1)).log_ratio(x, levels(0.5, 3));
  EXPECT_LT((log_ratio - 2 * x.flatten() / 1.25).abs().max().item<double>(), 1e-12);
  const at::Tensor gradient = torch::autograd::grad({log_ratio.sum()}, {x}).front();
  EXPECT_LT((gradient - 2 / 1.25).abs().max().item<double>(), 1e-12);
}

// E_bias[e^l] = 1 and E_data[e^-l] = 1 at every noise level, by the trapezoidal rule over densities
// written out here.
TEST(MixtureRatio, AveragesToOneOverBothLaws) {
  const auto mixture = [](double upper) {
    return std::make_shared<const GaussianMixture>(std::vector<GaussianMixture::Component>{
        {.weight = 1 - upper, .mean = {-2}, .std = 0.7}, {.weight = upper, .mean = {2}, .std = 1}});
  };
  const MixtureRatio ratio(mixture(0.5), mixture(0.2));
  const at::Tensor x = at::linspace(-120, 120, 24001, at::kDouble);
  for (const double sigma : {0.0, 0.5, 3.0, 10.0}) {
    const auto density = [&](double upper) {
      const auto normal = [&](double mean, double std) {
        const double variance = std * std + sigma * sigma;
        return (-(x - mean).square() / (2 * variance)).exp() /
               std::sqrt(2 * std::numbers::pi * variance);
      };
      return (1 - upper) * normal(-2, 0.7) + upper * normal(2, 1);
    };
    const at::Tensor log_ratio = ratio.log_ratio(x.unsqueeze(1), levels(sigma, x.size(0)));
    EXPECT_NEAR((density(0.2) * log_ratio.exp()).sum().item<double>() * 0.01, 1, 1e-9) << sigma;
    EXPECT_NEAR((density(0.5) * (-log_ratio).exp()).sum().item<double>() * 0.01, 1, 1e-9) << sigma;
  }
}

TEST(MixtureRatio, LogRatioIsAntisymmetric) {
  const LawPair laws = two_mode_laws();
  const at::Tensor x = points({0.3, -0.1, 1, 0.5});
  const at::Tensor forward = MixtureRatio(laws.unbiased, laws.biased).log_ratio(x, levels(1, 2));
  const at::Tensor backward = MixtureRatio(laws.biased, laws.unbiased).log_ratio(x, levels(1, 2));
  EXPECT_TRUE(at::equal(forward, -backward));
}

/// Integrals over the toy, whose ratio varies along the diagonal only: there it is a pair of unit
/// normals at +-sqrt(8).
class ToyIntegrals {
 public:
  explicit ToyIntegrals(double sigma) {
    const at::Tensor x = at::linspace(-160, 160, 200001, at::kDouble).unsqueeze(1);
    const at::Tensor sigmas = levels(sigma, x.size(0));
    const double step = 320.0 / 200000;
    biased_ = along_diagonal(0.8).log_density(x, sigmas).exp() * step;
    unbiased_ = along_diagonal(0.5).log_density(x, sigmas).exp() * step;
    ratio_ =
        (along_diagonal(0.5).log_density(x, sigmas) - along_diagonal(0.8).log_density(x, sigmas))
            .exp();
  }
  double mean_ratio() const { return (biased_ * ratio_).sum().item<double>(); }
  double mean_square_ratio() const { return (biased_ * ratio_.square()).sum().item<double>(); }
  double divergence() const { return (unbiased_ * ratio_.log()).sum().item<double>(); }
  double mean_bounded_weight() const {
    return (0.5 * (biased_ + unbiased_) * 2 * ratio_ / (1 + ratio_)).sum().item<double>();
  }
  double best_bce() const {
    return 0.5 *
           (unbiased_ * (1 + 1 / ratio_).log() + biased_ * (1 + ratio_).log()).sum().item<double>();
  }

 private:
  static GaussianMixture along_diagonal(double low_mode_weight) {
    const double mode = std::sqrt(8.0);
    return GaussianMixture({{.weight = low_mode_weight, .mean = {-mode}},
                            {.weight = 1 - low_mode_weight, .mean = {mode}}});
  }
  at::Tensor biased_, unbiased_, ratio_;
};

TEST(ToyIntegrals, MatchTheWorkedOutTable) {
  struct Row {
    double sigma, mean_square_ratio, divergence, best_bce;
  };
  for (const Row& row : {Row{0, 1.55757, 0.22137, 0.64286}, Row{1, 1.51621, 0.20635, 0.64613},
                         Row{2, 1.36736, 0.15112, 0.65829}, Row{5, 1.10553, 0.04776, 0.68168}}) {
    const ToyIntegrals integrals(row.sigma);
    EXPECT_NEAR(integrals.mean_ratio(), 1, 1e-9);
    EXPECT_NEAR(integrals.mean_bounded_weight(), 1, 1e-9);
    EXPECT_NEAR(integrals.mean_square_ratio(), row.mean_square_ratio, 6e-6);
    EXPECT_NEAR(integrals.divergence(), row.divergence, 6e-6);
    EXPECT_NEAR(integrals.best_bce(), row.best_bce, 6e-6);
  }
  EXPECT_NEAR(ToyIntegrals(20).best_bce(), std::numbers::ln2, 2e-3);
}

TEST(MixtureRatio, DiagonalFormEqualsTheTwoDimensionalOne) {
  const double along = 1.7;  // position on the diagonal
  const double coordinate = along / std::numbers::sqrt2;
  const double mode = std::sqrt(8.0);
  const GaussianMixture biased({{.weight = 0.8, .mean = {-mode}}, {.weight = 0.2, .mean = {mode}}});
  const GaussianMixture unbiased(
      {{.weight = 0.5, .mean = {-mode}}, {.weight = 0.5, .mean = {mode}}});
  const at::Tensor x = at::tensor({along}, at::kDouble).reshape({1, 1});
  const at::Tensor log_ratio =
      unbiased.log_density(x, levels(2, 1)) - biased.log_density(x, levels(2, 1));
  EXPECT_NEAR(log_ratio.exp().item<double>(), toy_ratio(coordinate, coordinate, 2), 1e-9);
}

}  // namespace
}  // namespace equipoise::diffusion
