#include "metrics/lof.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

/// [num_points, 2] equally spaced on the unit circle, the first at (1, 0).
at::Tensor circle(int64_t num_points) {
  const at::Tensor angle = at::arange(num_points, at::kDouble) * (2 * M_PI / num_points);
  return at::stack({angle.cos(), angle.sin()}, 1);
}

TEST(LocalOutlierFactor, IsOneForEqualSpacingOnACircle) {
  const at::Tensor points = circle(40);
  const LocalOutlierFactor among(points, {.k = 4});
  EXPECT_TRUE(at::allclose(among.of_references(), at::ones({40}, at::kDouble), 0, 1e-9));
}

// tests/golden/metrics_golden.py: scikit-learn, standard mode.
TEST(LocalOutlierFactor, IsFarAboveOneForAPointOffTheCircle) {
  const at::Tensor far = at::tensor({5.0, 0.0}, at::kDouble).view({1, 2});
  const LocalOutlierFactor among(at::cat({circle(40), far}), {.k = 4});
  const at::Tensor factors = among.of_references();
  EXPECT_NEAR(factors[40].item<double>(), 12.857971123089456, 1e-6);
  EXPECT_TRUE(at::allclose(factors.slice(0, 0, 40), at::ones({40}, at::kDouble), 0, 1e-9));
  // The same point as a novelty: no circle point had it as neighbour, so nothing changes.
  EXPECT_NEAR(LocalOutlierFactor(circle(40), {.k = 4}).of_samples(far).item<double>(),
              factors[40].item<double>(), 1e-9);
}

TEST(LocalOutlierFactor, AgreesWithScikitLearn) {
  const at::Tensor references = golden_features(150, 3, 0.1, 1.05);
  const at::Tensor samples = golden_features(200, 3, 0.0, 1.0);
  const LocalOutlierFactor factor(references);
  const at::Tensor of_samples = factor.of_samples(samples);
  EXPECT_NEAR(of_samples.mean().item<double>(), 1.0070042114728524, 1e-8);
  EXPECT_NEAR(of_samples.max().item<double>(), 1.1049402899276781, 1e-8);
  EXPECT_NEAR(factor.of_references().mean().item<double>(), 1.0119903318118189, 1e-8);
  EXPECT_NEAR(factor.of_references().max().item<double>(), 1.1369682090612911, 1e-8);
  EXPECT_TRUE(at::allclose(LocalOutlierFactor(references, {.budget_bytes = 1}).of_samples(samples),
                           of_samples, 1e-9));
}

TEST(LocalOutlierFactor, DoesNotChangeWithTheScaleOfFeatures) {
  const at::Tensor references = golden_features(60, 3, 0.1, 1.05);
  const at::Tensor samples = golden_features(40, 3, 0.0, 1.0);
  const at::Tensor scaled =
      LocalOutlierFactor(references * 1e-6 + 1e-3, {.k = 5}).of_samples(samples * 1e-6 + 1e-3);
  EXPECT_TRUE(
      at::allclose(scaled, LocalOutlierFactor(references, {.k = 5}).of_samples(samples), 1e-4));
}

TEST(LocalOutlierFactor, IsOneAmongCopiesAndFiniteBesideThem) {
  const at::Tensor references = at::cat({at::zeros({10, 2}), at::ones({10, 2})});
  const LocalOutlierFactor factor(references, {.k = 3});
  EXPECT_TRUE(at::allclose(factor.of_references(), at::ones({20}, at::kDouble), 0, 1e-9));
  const at::Tensor beside = factor.of_samples(at::full({1, 2}, 0.1));
  EXPECT_GT(beside.item<double>(), 1e6);
  EXPECT_TRUE(std::isfinite(beside.item<double>()));
}

TEST(LofMetric, CountsOutliersAndStatesItsMode) {
  const auto metric = MetricRegistry::instance().find("lof").make.make({{"k", 4}});
  MetricInput input;
  input.reference_features = circle(40);
  input.sample_features = at::cat({circle(3), circle(1) * 5});
  const auto measured = metric->measure(input);
  EXPECT_EQ(measured.at("share_outliers").at("value"), 0.25);
  EXPECT_NEAR(measured.at("of_reference").get<double>(), 1, 1e-9);
  EXPECT_NE(measured.at("recipe").at("mode").get<std::string>().find("novelty"), std::string::npos);
}

TEST(LocalOutlierFactor, RefusesTooFewReferences) {
  EXPECT_THROW(LocalOutlierFactor(at::zeros({20, 2})), UsageError);
}

}  // namespace
}  // namespace equipoise::metrics
