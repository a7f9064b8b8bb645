#include "audit/condition_audit.h"

#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "core/error.h"
#include "core/random.h"
#include "metrics/frechet.h"

namespace equipoise::audit {
namespace {

/// 100 points a class around (class, 0), moved by `shift`.
at::Tensor points(int64_t seed, double shift = 0) {
  const at::Tensor noise =
      random_normal(static_cast<uint64_t>(seed), Purpose::kToyData, at::arange(200), {2})
          .to(at::kDouble);
  const at::Tensor classes = at::arange(200).remainder(2).to(at::kDouble);
  return noise + at::stack({5 * classes + shift, at::zeros_like(classes)}, 1);
}

ConditionedImages perfect_images() {
  const at::Tensor classes = at::arange(200, at::kLong).remainder(2);
  return {.sample_features = points(1),
          .sample_predicted = classes,
          .sample_classes = classes,
          .reference_features = points(1),
          .reference_classes = classes,
          .class_names = {"left", "right"}};
}

TEST(ConditionAudit, RealImagesOfTheRightClassArePerfect) {
  const auto json = audit_conditions(perfect_images());
  EXPECT_EQ(json.at("accuracy").at("value"), 1);
  EXPECT_NEAR(json.at("frechet").get<double>(), 0, 1e-9);
  EXPECT_EQ(json.at("coverage"), 1);
  EXPECT_GT(json.at("frechet_floor").get<double>(), 0);
  EXPECT_TRUE(json.at("left_out").empty());
  EXPECT_EQ(json.at("by_class").size(), 2u);
}

TEST(ConditionAudit, DistancesAreMeansOfTheClassesOwn) {
  ConditionedImages images = perfect_images();
  images.sample_features = points(2, 0.5);
  const auto json = audit_conditions(images);
  double sum = 0;
  for (int64_t c = 0; c < 2; ++c) {
    const at::Tensor members = images.sample_classes.eq(c).nonzero().flatten();
    const double expected =
        metrics::frechet_distance(
            metrics::moments_of(images.sample_features.index_select(0, members)),
            metrics::moments_of(images.reference_features.index_select(0, members)))
            .value;
    EXPECT_NEAR(json.at("by_class")[static_cast<size_t>(c)].at("frechet").get<double>(), expected,
                1e-12);
    sum += expected;
  }
  EXPECT_NEAR(json.at("frechet").get<double>(), sum / 2, 1e-12);
}

TEST(ConditionAudit, SeesClassesMixedUpWhereTheWholeIsRight) {
  // The same points, 30 of 100 of each class asked for as the other one.
  ConditionedImages images = perfect_images();
  images.sample_classes = images.sample_predicted.clone();
  images.sample_classes.slice(0, 0, 60).copy_(1 - images.sample_predicted.slice(0, 0, 60));
  const auto json = audit_conditions(images);
  EXPECT_NEAR(json.at("accuracy").at("value").get<double>(), 0.7, 1e-12);
  EXPECT_NEAR(json.at("by_class")[0].at("accuracy").at("value").get<double>(), 0.7, 1e-12);
  EXPECT_GT(json.at("frechet").get<double>(), 2) << "means have moved by 0.3 of 5";
  EXPECT_NEAR(metrics::frechet_distance(metrics::moments_of(images.sample_features),
                                        metrics::moments_of(images.reference_features))
                  .value,
              0, 1e-9);
}

TEST(ConditionAudit, NamesClassesOfTooFewImages) {
  ConditionedImages images = perfect_images();
  images.class_names.push_back("never");
  const auto json = audit_conditions(images, {.min_images = 101});
  EXPECT_EQ(json.at("left_out").size(), 3u);
  EXPECT_TRUE(json.at("frechet").is_null());
  EXPECT_FALSE(json.at("by_class")[2].contains("accuracy"));
  images.sample_predicted = images.sample_predicted.slice(0, 0, 10);
  EXPECT_THROW(audit_conditions(images), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
