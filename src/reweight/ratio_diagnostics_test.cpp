#include "reweight/ratio_diagnostics.h"

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "diffusion/mixture_law.h"

namespace equipoise::reweight {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

const at::Tensor& biased_points() {
  static const at::Tensor points = diffusion::two_mode_laws().biased->sample(1, at::arange(20000));
  return points;
}
const at::Tensor& reference_points() {
  static const at::Tensor points = diffusion::two_mode_laws().unbiased->sample(2, at::arange(4000));
  return points;
}

/// The toy's exact log-odds times a factor: 1 exact, 3 over-confident, -1 wrong way round.
class ScaledToyRatio : public diffusion::DensityRatio {
 public:
  explicit ScaledToyRatio(double factor) : factor_(factor) {}
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& = {}) const override {
    return factor_ * exact_.log_ratio(x, sigma);
  }

 private:
  double factor_;
  diffusion::MixtureRatio exact_{diffusion::two_mode_laws().unbiased,
                                 diffusion::two_mode_laws().biased};
};

RatioReport examine(const diffusion::DensityRatio& ratio, DiagnosticOptions options = {}) {
  return diagnose_ratio(ratio, biased_points(), reference_points(), options);
}

TEST(RatioDiagnostics, ExactRatioReachesTheBestPossibleCrossEntropy) {
  const RatioReport report =
      examine(ScaledToyRatio(1), {.num_levels = 2, .sigma_min = 1, .sigma_max = 5});
  ASSERT_EQ(report.levels.size(), 2u);
  for (const auto& [level, best] :
       {std::pair{report.levels[0], 0.64613}, std::pair{report.levels[1], 0.68168}}) {
    EXPECT_NEAR(level.bce, best, 4 * level.bce_error);
    EXPECT_LT(level.bce_error, 0.005);
    EXPECT_NEAR(level.mean_weight, 1, 4 * level.mean_weight_error);
    EXPECT_LT(level.calibration_gap, 0.01);
  }
  EXPECT_NEAR(report.heldout_bce, (report.levels[0].bce + report.levels[1].bce) / 2, 1e-12);
}

TEST(RatioDiagnostics, ExactRatioRaisesNoFinding) {
  EXPECT_THAT(examine(ScaledToyRatio(1)).findings, IsEmpty());
}

TEST(RatioDiagnostics, EffectiveSampleSizeIsThatOfTheTwoWeights) {
  // At sigma 0 nearly every biased point weighs 2 w / (1 + w) with w = 0.625 (80 %) or 2.5 (20 %).
  const RatioReport report = examine(ScaledToyRatio(1), {.time_dependent = false});
  ASSERT_EQ(report.levels.size(), 1u);
  const double low = 1.25 / 1.625, high = 5 / 3.5;
  const double mean = 0.8 * low + 0.2 * high, square = 0.8 * low * low + 0.2 * high * high;
  EXPECT_NEAR(report.levels[0].ess_fraction, mean * mean / square, 0.01);
  EXPECT_NEAR(report.levels[0].weight_quantiles[2], low, 0.01);
  EXPECT_NEAR(report.levels[0].weight_quantiles[4], high, 0.01);
  EXPECT_NEAR(report.levels[0].accuracy, 0.5 * 0.8 + 0.5 * 0.5, 0.02);
  EXPECT_EQ(report.levels[0].sigma, 0);
  EXPECT_EQ(report.kind, "time_independent");
}

TEST(RatioDiagnostics, HistogramCountsEveryImageOnce) {
  const RatioReport report = examine(ScaledToyRatio(1), {.num_levels = 3});
  for (const RatioLevel& level : report.levels) {
    const auto& [edges, biased, reference] = level.weight_histogram;
    EXPECT_EQ(edges.size(), 21u);
    EXPECT_EQ(std::accumulate(biased.begin(), biased.end(), int64_t{0}), 20000);
    EXPECT_EQ(std::accumulate(reference.begin(), reference.end(), int64_t{0}), 4000);
  }
}

/// Knows by heart which of the clean points belong to which set, and nothing once there is noise.
class ChasmRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                       const at::Tensor& = {}) const override {
    const at::Tensor sure = 20 * (x.flatten(1).sum(1) - 6).tanh();
    return sure * (sigma < 0.1).to(x.scalar_type());
  }
};

TEST(RatioDiagnostics, NamesTheDensityChasmAndWhereItEnds) {
  const RatioReport report = examine(ChasmRatio());
  EXPECT_GT(report.levels.front().faint_fraction, 0.75);
  EXPECT_THAT(report.findings, Contains(HasSubstr("collapsed (density chasm): at sigma 0.002")));
  EXPECT_THAT(report.findings, Contains(HasSubstr("usable from sigma 0.247 up")));
}

TEST(RatioDiagnostics, NamesMiscalibration) {
  EXPECT_THAT(examine(ScaledToyRatio(6)).findings, Contains(HasSubstr("miscalibrated")));
}

TEST(RatioDiagnostics, NamesARatioWorseThanNone) {
  EXPECT_THAT(examine(ScaledToyRatio(-1)).findings, Contains(HasSubstr("worse than no ratio")));
}

TEST(RatioDiagnostics, NamesARatioThatLearnedNothing) {
  EXPECT_THAT(examine(ScaledToyRatio(0)).findings,
              testing::ElementsAre(HasSubstr("sees no difference")));
}

/// Takes everything for reference.
class ShiftedRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return 0 * x.sum(1) + 0.5;
  }
};

TEST(RatioDiagnostics, NamesAMeanWeightThatIsNotOne) {
  EXPECT_THAT(examine(ShiftedRatio()).findings, Contains(HasSubstr("mean weight is 1.24")));
}

/// Not a number anywhere.
class BrokenRatio : public diffusion::DensityRatio {
 public:
  at::Tensor log_ratio(const at::Tensor& x, const at::Tensor&,
                       const at::Tensor& = {}) const override {
    return x.sum(1) * std::numeric_limits<double>::quiet_NaN();
  }
};

TEST(RatioDiagnostics, RefusesWhatItCannotMeasure) {
  EXPECT_THROW(examine(BrokenRatio()), NumericError);
  EXPECT_THROW(diagnose_ratio(ShiftedRatio(), biased_points(), at::empty({0, 2}), {}), UsageError);
}

TEST(RatioDiagnostics, JsonHasTheDocumentedForm) {
  const RatioReport report = examine(ScaledToyRatio(1), {.name = "noised", .num_levels = 2});
  const nlohmann::ordered_json json = report.to_json();
  EXPECT_EQ(json.at("name"), "noised");
  EXPECT_EQ(json.at("kind"), "time_dependent");
  EXPECT_EQ(json.at("levels").size(), 2u);
  const auto& level = json.at("levels").at(0);
  EXPECT_EQ(level.at("sigma"), 0.002);
  EXPECT_EQ(level.at("weight_histogram").at("edges").size(), 21u);
  EXPECT_EQ(level.at("weight_histogram").at("counts_biased").size(), 20u);
  for (const char* name : {"p05", "p25", "p50", "p75", "p95"})
    EXPECT_TRUE(level.at("weight_quantiles").contains(name));
  EXPECT_TRUE(level.at("calibration").at(0).contains("predicted"));
  EXPECT_TRUE(json.at("findings").is_array());
}

}  // namespace
}  // namespace equipoise::reweight
