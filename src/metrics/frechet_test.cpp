#include "metrics/frechet.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "metrics/feature_fixture.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

TEST(FeatureMoments, EqualTheDirectFormula) {
  const at::Tensor rows = golden_features(50, 4, 0.3, 2);
  const FeatureMoments moments = moments_of(rows);
  EXPECT_TRUE(at::allclose(moments.mean(), rows.mean(0), 1e-12, 1e-14));
  const at::Tensor centred = rows - rows.mean(0);
  EXPECT_TRUE(
      at::allclose(moments.covariance(), at::matmul(centred.t(), centred) / 49, 1e-12, 1e-14));
}

TEST(FeatureMoments, DoNotDependOnBatchesOrOrder) {
  const at::Tensor rows = golden_features(101, 6, 0, 1) + 1000;
  const FeatureMoments whole = moments_of(rows);
  FeatureMoments streamed(6);
  streamed.add(rows.slice(0, 70));
  streamed.add(rows.slice(0, 0, 1));
  streamed.add(rows.slice(0, 5, 5));
  streamed.merge(moments_of(rows.slice(0, 1, 70)));
  EXPECT_EQ(streamed.count(), 101);
  EXPECT_TRUE(at::allclose(streamed.mean(), whole.mean(), 1e-14, 0));
  EXPECT_TRUE(at::allclose(streamed.covariance(), whole.covariance(), 1e-9, 1e-12));
}

TEST(FeatureMoments, RefuseWhatTheyCannotUse) {
  FeatureMoments moments(3);
  EXPECT_THROW(moments.add(at::zeros({2, 4})), UsageError);
  EXPECT_THROW(moments.add(at::full({2, 3}, NAN)), NumericError);
  moments.add(at::zeros({1, 3}));
  EXPECT_THROW(moments.covariance(), UsageError);
}

TEST(FrechetDistance, EqualsTheClosedFormForDiagonalGaussians) {
  const at::Tensor mean_a = at::tensor({0.0, 1.0, -2.0}, at::kDouble);
  const at::Tensor mean_b = at::tensor({0.5, 1.0, 1.0}, at::kDouble);
  const at::Tensor variance_a = at::tensor({1.0, 4.0, 0.25}, at::kDouble);
  const at::Tensor variance_b = at::tensor({2.25, 1.0, 0.0}, at::kDouble);
  const FrechetDistance distance =
      frechet_distance(mean_a, variance_a.diag(), mean_b, variance_b.diag());
  EXPECT_NEAR(distance.mean_term, 0.25 + 9, 1e-12);
  EXPECT_NEAR(distance.covariance_term, 0.25 + 1 + 0.25, 1e-12);  // sum of (sd_a - sd_b)^2
  EXPECT_NEAR(distance.value, 10.75, 1e-12);
}

// tests/golden/metrics_golden.py: scipy.linalg.sqrtm of the unsymmetric product.
TEST(FrechetDistance, AgreesWithScipy) {
  const at::Tensor a = golden_features(200, 12, 0.0, 1.0);
  const at::Tensor b = golden_features(150, 12, 0.7, 1.2);
  EXPECT_NEAR(frechet_distance(moments_of(a), moments_of(b)).value, 1.709512956217484, 1e-6 * 1.7);
  const FrechetDistance singular = frechet_distance(moments_of(a.slice(0, 0, 8)), moments_of(b));
  EXPECT_NEAR(singular.value, 5.7154279901365825, 1e-6 * 5.7);
  EXPECT_LT(singular.clipped_mass, 1e-10);
}

TEST(FrechetDistance, IsZeroForIdenticalSetsAndSymmetric) {
  const FeatureMoments a = moments_of(golden_features(100, 8, 0.0, 1.0));
  const FeatureMoments b = moments_of(golden_features(90, 8, 0.7, 1.2));
  EXPECT_NEAR(frechet_distance(a, a).value, 0, 1e-10);
  EXPECT_NEAR(frechet_distance(a, b).value, frechet_distance(b, a).value, 1e-10);
}

TEST(FrechetDistance, ReportsTheMassItClips) {
  const at::Tensor mean = at::zeros({2}, at::kDouble);
  const at::Tensor indefinite = at::tensor({1.0, -0.5}, at::kDouble).diag();
  EXPECT_NEAR(frechet_distance(mean, indefinite, mean, at::eye(2, at::kDouble)).clipped_mass, 0.5,
              1e-12);
  EXPECT_THROW(
      frechet_distance(mean, indefinite, at::zeros({3}, at::kDouble), at::eye(3, at::kDouble)),
      UsageError);
}

// 120 fixed seeds at a true coverage near 0.94: fewer than 103 in 1 of 1,000 choices of seeds.
TEST(FrechetInterval, CoversTheExpectedDistanceAtThisNumberOfSamples) {
  const FeatureMoments reference = moments_of(normal_rows(4000, 2, 999));
  constexpr int kTrials = 120;
  std::vector<Interval> intervals;
  double expected = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    const at::Tensor samples = normal_rows(200, 2, trial) * 1.3 + 0.5;
    intervals.push_back(frechet_interval(samples, reference, {.num_replicates = 100, .seed = 1}));
    expected += intervals.back().value / kTrials;
  }
  int covered = 0;
  for (const Interval& interval : intervals) covered += contains(interval, expected);
  EXPECT_GE(covered, 103);
}

TEST(FrechetFloor, IsWhatRealImagesOfTheSameNumberScore) {
  const at::Tensor reference = normal_rows(2000, 4, 5);
  const FrechetFloor small = frechet_floor(reference, 100, 0);
  const FrechetFloor large = frechet_floor(reference, 5000, 0);
  EXPECT_EQ(small.num_part, 100);
  EXPECT_EQ(small.num_rest, 1900);
  EXPECT_EQ(large.num_part, 1000);
  EXPECT_GT(small.value, 2 * large.value);
  EXPECT_EQ(frechet_floor(reference, 100, 0).value, small.value);
}

TEST(FrechetWarnings, NameTheSetThatIsTooSmall) {
  EXPECT_TRUE(frechet_warnings(1000, 1000, 100).empty());
  const auto some = frechet_warnings(999, 1000, 100);
  ASSERT_EQ(some.size(), 1u);
  EXPECT_NE(some[0].find("999 samples"), std::string::npos);
  EXPECT_NE(frechet_warnings(100, 1000, 100).at(0).find("singular"), std::string::npos);
  EXPECT_EQ(frechet_warnings(50, 50, 100).size(), 2u);
  EXPECT_EQ(frechet_warnings(50, std::nullopt, 100).size(), 1u);
}

TEST(FrechetMetric, NeedsNoMoreThanTheReferencesMoments) {
  const auto metric = MetricRegistry::instance().find("frechet").make.make({{"bootstrap", 20}});
  MetricInput input;
  input.sample_features = normal_rows(60, 4, 7);
  const FeatureMoments reference = moments_of(normal_rows(90, 4, 8));
  input.reference_features = normal_rows(90, 4, 8);
  const auto of_images = metric->measure(input);
  input.reference_features = at::Tensor();
  EXPECT_EQ(metric->missing(input), "reference_features");
  input.reference_moments =
      ReferenceMoments{.mean = reference.mean(), .covariance = reference.covariance()};
  EXPECT_EQ(metric->missing(input), "");
  const auto of_moments = metric->measure(input);
  for (const char* key : {"value", "low", "high"}) EXPECT_EQ(of_moments.at(key), of_images.at(key));
  EXPECT_TRUE(of_moments.at("floor").is_null());
  EXPECT_TRUE(of_moments.at("recipe").at("num_reference").is_null());
  input.reference_moments->num_images = 90;
  EXPECT_EQ(metric->measure(input).at("warnings"), of_images.at("warnings"));
}

}  // namespace
}  // namespace equipoise::metrics
