// Intervals for shares and for any statistic that can be resampled.
//
//   wilson_interval           a share; close to its nominal level from about 10 trials on. The default.
//   clopper_pearson_interval  a share; never below its nominal level, hence wider. For claims that must not fail.
//   percentile_interval       anything else, by resampling; needs a few dozen observations to be worth stating.
//   centred_interval          the same for distances, which are biased upwards.
//   mean_interval             percentile_interval of the mean of one number an image.
//   normal_interval           where a standard error is known.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/random.h"

namespace equipoise::metrics {

/// A number, the range it is stated to lie in, how often such ranges hold, and how this one was
/// made.
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;
  double level = 0.95;
  std::string method = "";
};

/// {"value", "low", "high", "level", "method"}
nlohmann::ordered_json to_json(const Interval& interval);
/// Reads the same object back. Throws UsageError naming `where` when a key is missing or no number.
Interval interval_from_json(const nlohmann::ordered_json& json, const std::string& where);
/// True when no number lies in both.
bool are_apart(const Interval& a, const Interval& b);
/// True when `number` lies in the interval, ends included.
bool contains(const Interval& interval, double number);

/// Score interval of a binomial share p = successes / trials, z the two-sided normal quantile of
/// `level`:
///
///   (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
///
/// Source: Wilson 1927, without continuity correction. Covers at `level` on average over p, less
/// for p within 1/n of 0 or 1.
/// Throws: UsageError unless 0 <= successes <= trials, trials >= 1 and 0 < level < 1.
Interval wilson_interval(int64_t successes, int64_t trials, double level = 0.95);
/// Exact tail interval from Beta quantiles: covers at least at `level` for every p.
/// Source: Clopper & Pearson 1934. Throws: as wilson_interval.
Interval clopper_pearson_interval(int64_t successes, int64_t trials, double level = 0.95);

/// How a statistic is resampled.
struct BootstrapOptions {
  int64_t num_replicates = 1000;
  uint64_t seed = 0;
  uint32_t part = 0;  ///< separates several statistics of one seed
  double level = 0.95;
};

/// Values of `statistic` over resampled data. Replicate r draws from stream (seed, kBootstrap, r,
/// part) alone.
std::vector<double> bootstrap_replicates(const std::function<double(RandomStream&)>& statistic,
                                         const BootstrapOptions& options);
/// Quantile q in [0,1] of `values`, interpolated between order statistics (R's type 7, numpy's
/// default).
double quantile(std::vector<double> values, double q);
/// From the (1-level)/2 to the (1+level)/2 quantile of `replicates`. Source: Efron 1979.
Interval percentile_interval(double value, const std::vector<double>& replicates, double level);
/// The same for replicates shifted to have mean `value`. For statistics whose bias is stated apart
/// (a distance that is positive by construction): resampling adds that bias once more, which would
/// push the interval off its own value. Covers the statistic's expectation at this sample size, not
/// its limit for large samples.
Interval centred_interval(double value, const std::vector<double>& replicates, double level);

/// Mean of `values` [N] float64, resampled with replacement; percentile_interval of the replicates.
/// Throws: UsageError for no values.
Interval mean_interval(const at::Tensor& values, const BootstrapOptions& options);
/// value +- z * standard_error, z the two-sided normal quantile of `level`; `method` says where the
/// standard error is from.
Interval normal_interval(double value, double standard_error, double level,
                         const std::string& method);

/// The numbers of a float64 tensor of any shape, in its order.
std::vector<double> to_vector(const at::Tensor& values);
/// {"p05", "p25", "p50", "p75", "p95"} of `values`; null for no values.
nlohmann::ordered_json quantiles_json(const at::Tensor& values);

/// Counts of a multinomial sample: `num_draws` draws with replacement from the units counted in
/// `counts`.
std::vector<int64_t> resample_counts(const std::vector<int64_t>& counts, int64_t num_draws,
                                     RandomStream& stream);

}  // namespace equipoise::metrics
