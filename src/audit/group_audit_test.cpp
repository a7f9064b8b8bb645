#include "audit/group_audit.h"

#include <memory>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

/// Group = whether the mean pixel is bright; features = means of the four quarters.
class Brightness : public nets::ClassifierNetwork {
 public:
  at::Tensor features(const at::Tensor& images) override {
    return at::adaptive_avg_pool2d(images, {2, 2}).flatten(1);
  }
  at::Tensor logits_of_features(const at::Tensor& features) override {
    const at::Tensor mean = features.mean(1);
    return at::stack({-mean, mean}, 1);
  }
  int64_t feature_dim() const override { return 4; }
};

/// Noise images [N,1,4,4], the first `num_dark` of them dark.
at::Tensor test_images(int64_t num_dark, int64_t num_bright, uint64_t seed) {
  const at::Tensor numbers = at::arange(num_dark + num_bright, at::kLong);
  const at::Tensor noise = random_uniform(seed, Purpose::kToyData, numbers, {1, 4, 4}) * 100;
  return (noise + numbers.ge(num_dark).view({-1, 1, 1, 1}) * 150).floor().to(at::kByte);
}

ReferenceSets test_sets() {
  return {.evaluation_images = test_images(100, 100, 1),
          .training_images = test_images(180, 20, 2),
          .confusion = {{98, 2}, {2, 98}},
          .group_names = {"dark", "bright"},
          .target = {0.5, 0.5},
          .feature_recipe = "mean brightness"};
}

TEST(AuditSamples, FillsTheMeasuredKeysOfTheResultsFile) {
  const AuditReference reference = make_reference(std::make_shared<Brightness>(), test_sets());
  const auto audit = audit_samples(test_images(150, 50, 3), reference);
  EXPECT_EQ(audit.at("counts"), (nlohmann::ordered_json{150, 50}));
  EXPECT_EQ(audit.at("shares").size(), 2u);
  EXPECT_EQ(audit.at("shares")[1].at("group"), "bright");
  EXPECT_NEAR(audit.at("shares")[1].at("corrected").at("value").get<double>(), (0.25 - 0.02) / 0.96,
              1e-6);
  EXPECT_NEAR(audit.at("total_variation").at("raw").at("value").get<double>(), 0.25, 1e-12);
  EXPECT_GT(audit.at("frechet").at("value").get<double>(),
            audit.at("frechet").at("floor").at("value").get<double>());
  EXPECT_EQ(audit.at("frechet").at("recipe").at("features"), "mean brightness");
  EXPECT_EQ(audit.at("coverage").at("k"), 5);
  EXPECT_NEAR(audit.at("nearest_reference").at("ratio").get<double>(), 1, 0.2);
  EXPECT_TRUE(audit.at("skipped").empty());
}

TEST(AuditSamples, LooksForCopiesAmongTheImagesThatWereShown) {
  const ReferenceSets sets = test_sets();
  const AuditReference reference = make_reference(std::make_shared<Brightness>(), sets);
  const at::Tensor samples = test_images(20, 20, 3);
  const AuditReference copied =
      with_training_images(reference, samples.slice(0, 0, 30), sets.evaluation_images);
  EXPECT_EQ(audit_samples(samples, reference).at("nearest_reference").at("share_exact"), 0);
  EXPECT_EQ(audit_samples(samples, copied).at("nearest_reference").at("share_exact"), 0.75);
}

TEST(AuditSamples, SaysWhichMetricsItLeftOut) {
  ReferenceSets sets = test_sets();
  sets.training_images = at::Tensor();
  sets.target = {};
  const AuditReference reference = make_reference(std::make_shared<Brightness>(), sets);
  const auto audit = audit_samples(test_images(20, 20, 3), reference);
  EXPECT_FALSE(audit.contains("total_variation"));
  ASSERT_EQ(audit.at("skipped").size(), 3u);
  EXPECT_EQ(audit.at("skipped")[0].at("metric"), "nearest_reference");
  EXPECT_EQ(audit.at("skipped")[1].at("metric"), "share_distances");
  EXPECT_EQ(audit.at("skipped")[2].at("missing"), "target");
}

TEST(AuditSamples, IsTheSameForAnyNumberOfWorkers) {
  const AuditReference reference = make_reference(std::make_shared<Brightness>(), test_sets());
  const at::Tensor samples = test_images(100, 60, 4);
  EXPECT_EQ(audit_samples(samples, reference, {.seed = 7}).dump(),
            audit_samples(samples, reference, {.seed = 7, .num_workers = 3}).dump());
}

TEST(AuditSamples, PassesOptionsToMetricsAndRefusesUnknownOnes) {
  const AuditReference reference = make_reference(std::make_shared<Brightness>(), test_sets());
  const at::Tensor samples = test_images(30, 30, 4);
  const auto audit =
      audit_samples(samples, reference, {.metric_options = {{"coverage", {{"k", 2}}}}});
  EXPECT_EQ(audit.at("coverage").at("k"), 2);
  EXPECT_THROW(audit_samples(samples, reference, {.metric_options = {{"coverige", {{"k", 2}}}}}),
               UsageError);
}

TEST(MakeReference, RefusesGroupsThatDisagree) {
  ReferenceSets sets = test_sets();
  sets.target = {1};
  EXPECT_THROW(make_reference(std::make_shared<Brightness>(), sets), UsageError);
}

}  // namespace
}  // namespace equipoise::audit
