#include "audit/paired_difference.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/random.h"
#include "metrics/feature_fixture.h"
#include "metrics/shares.h"
#include "metrics/total_variation.h"

namespace equipoise::audit {
namespace {

const std::vector<double> kEven = {0.25, 0.25, 0.25, 0.25};

struct Groups {
  at::Tensor first, second;
};

/// Two models that draw from `law`; of `agreement` of the latents both make the same group.
Groups draw_groups(const metrics::Counts& law, double agreement, int64_t num_images,
                   uint64_t trial) {
  RandomStream stream(trial, Purpose::kToyData);
  const auto draw = [&] {
    const metrics::Counts one = metrics::resample_counts(law, 1, stream);
    return std::ranges::find(one, 1) - one.begin();
  };
  Groups groups{at::empty({num_images}, at::kLong), at::empty({num_images}, at::kLong)};
  for (int64_t i = 0; i < num_images; ++i) {
    const int64_t group = draw();
    groups.first.data_ptr<int64_t>()[i] = group;
    groups.second.data_ptr<int64_t>()[i] = stream.uniform() < agreement ? group : draw();
  }
  return groups;
}

// Fixed seeds. Over seeds, 100 trials at a chance of 0.05 exceed 12 in about 1 of 700 cases.
TEST(PairedTotalVariation, RaisesFewFalseAlarms) {
  for (const metrics::Counts& law : {metrics::Counts{1, 1, 1, 1}, metrics::Counts{1, 2, 3, 4}}) {
    int alarms = 0;
    for (uint64_t trial = 0; trial < 100; ++trial) {
      const Groups groups = draw_groups(law, /*agreement=*/0.5, 200, trial);
      alarms += paired_total_variation(groups.first, groups.second, kEven,
                                       {.num_replicates = 150, .seed = 2})
                    .is_distinguishable;
    }
    EXPECT_LE(alarms, 12);
  }
}

TEST(PairedTotalVariation, SeesWhatIntervalsApartDoNot) {
  // 200 latents; the second model turns 10 images of the commonest group into the rarest.
  const at::Tensor first = at::arange(4, at::kLong).repeat_interleave(at::tensor({80, 60, 40, 20}));
  at::Tensor second = first.clone();
  second.slice(0, 0, 10).fill_(3);
  const PairedDifference difference =
      paired_total_variation(first, second, kEven, {.num_replicates = 500});
  EXPECT_NEAR(difference.interval.value, 0.05, 1e-12);
  EXPECT_TRUE(difference.is_distinguishable);
  EXPECT_LT(difference.p_value, 0.02);
  const auto alone = [&](const at::Tensor& groups) {
    return metrics::total_variation(metrics::count_groups(groups, 4), kEven).interval;
  };
  EXPECT_FALSE(are_apart(alone(first), alone(second)));
}

TEST(PairedFrechet, TellsABlurredModelFromAGoodOne) {
  const at::Tensor good = metrics::normal_rows(400, 4, 1);
  const metrics::FrechetReference reference(metrics::moments_of(metrics::normal_rows(2000, 4, 2)));
  const PairedDifference difference = paired_frechet(good * 0.9, good, reference);
  EXPECT_GT(difference.interval.low, 0);
  EXPECT_TRUE(difference.is_distinguishable);
  const PairedDifference reversed = paired_frechet(good, good * 0.9, reference);
  EXPECT_DOUBLE_EQ(reversed.interval.value, -difference.interval.value);
  EXPECT_NEAR(reversed.interval.high, -difference.interval.low, 1e-12);
}

TEST(PairedDifference, FindsNoneBetweenEqualModels) {
  const at::Tensor features = metrics::normal_rows(50, 4, 3);
  const metrics::FrechetReference reference(metrics::moments_of(metrics::normal_rows(200, 4, 4)));
  const PairedDifference difference = paired_frechet(features, features, reference);
  EXPECT_EQ(difference.interval.value, 0);
  EXPECT_FALSE(difference.is_distinguishable);
  EXPECT_EQ(difference.p_value, 1);
  EXPECT_NEAR(to_json(difference).at("false_alarm_rate").get<double>(), 0.05, 1e-12);
}

TEST(PairedDifference, RefusesSetsThatAreNotPairs) {
  EXPECT_THROW(paired_total_variation(at::zeros({3}, at::kLong), at::zeros({4}, at::kLong), kEven),
               UsageError);
  EXPECT_THROW(paired_total_variation(at::zeros({1}, at::kLong), at::zeros({1}, at::kLong), kEven),
               UsageError);
  EXPECT_THROW(
      paired_total_variation(at::full({3}, 4, at::kLong), at::zeros({3}, at::kLong), kEven),
      UsageError);
}

}  // namespace
}  // namespace equipoise::audit
