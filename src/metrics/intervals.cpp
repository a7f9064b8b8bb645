#include "metrics/intervals.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/normal.hpp>

#include "core/error.h"

namespace equipoise::metrics {
namespace {

void check_level(double level) {
  if (level > 0 && level < 1) return;
  throw UsageError({.where = "level",
                    .what = "an interval's level lies between 0 and 1",
                    .got = fmt::format("{}", level),
                    .expected = "for example 0.95",
                    .hint = ""});
}

/// z with a share `level` of a standard normal between -z and z.
double normal_quantile(double level) {
  return boost::math::quantile(boost::math::normal(), 0.5 + level / 2);
}

void check_binomial(int64_t successes, int64_t trials, double level) {
  check_level(level);
  if (trials >= 1 && successes >= 0 && successes <= trials) return;
  throw UsageError({.where = "share",
                    .what = "a share needs 0 <= successes <= trials and one trial at least",
                    .got = fmt::format("{} of {}", successes, trials),
                    .expected = "",
                    .hint = ""});
}

}  // namespace

nlohmann::ordered_json to_json(const Interval& interval) {
  return {{"value", interval.value},
          {"low", interval.low},
          {"high", interval.high},
          {"level", interval.level},
          {"method", interval.method}};
}

Interval interval_from_json(const nlohmann::ordered_json& json, const std::string& where) {
  try {
    return {.value = json.at("value").get<double>(),
            .low = json.at("low").get<double>(),
            .high = json.at("high").get<double>(),
            .level = json.value("level", 0.95),
            .method = json.value("method", "")};
  } catch (const nlohmann::json::exception& problem) {
    throw UsageError({.where = where,
                      .what = "not an interval",
                      .got = json.dump(),
                      .expected = R"({"value", "low", "high"} as numbers)",
                      .hint = ""});
  }
}

bool are_apart(const Interval& a, const Interval& b) {
  return a.high < b.low || b.high < a.low;
}

bool contains(const Interval& interval, double number) {
  return interval.low <= number && number <= interval.high;
}

Interval wilson_interval(int64_t successes, int64_t trials, double level) {
  check_binomial(successes, trials, level);
  const double n = static_cast<double>(trials);
  const double p = static_cast<double>(successes) / n;
  const double z = normal_quantile(level);
  const double centre = p + z * z / (2 * n);
  const double half_width = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  const double scale = 1 + z * z / n;
  // At the ends the formula gives 0 and 1 exactly but for rounding.
  const double low = successes == 0 ? 0 : (centre - half_width) / scale;
  const double high = successes == trials ? 1 : (centre + half_width) / scale;
  return {.value = p, .low = low, .high = high, .level = level, .method = "wilson"};
}

Interval clopper_pearson_interval(int64_t successes, int64_t trials, double level) {
  check_binomial(successes, trials, level);
  const double k = static_cast<double>(successes);
  const double n = static_cast<double>(trials);
  const double tail = (1 - level) / 2;
  using boost::math::beta_distribution;
  const double low = successes == 0 ? 0 : quantile(beta_distribution<>(k, n - k + 1), tail);
  const double high =
      successes == trials ? 1 : quantile(beta_distribution<>(k + 1, n - k), 1 - tail);
  return {.value = k / n, .low = low, .high = high, .level = level, .method = "clopper-pearson"};
}

std::vector<double> bootstrap_replicates(const std::function<double(RandomStream&)>& statistic,
                                         const BootstrapOptions& options) {
  std::vector<double> replicates(options.num_replicates);
  for (int64_t r = 0; r < options.num_replicates; ++r) {
    RandomStream stream(options.seed, Purpose::kBootstrap, r, options.part);
    replicates[r] = statistic(stream);
  }
  return replicates;
}

double quantile(std::vector<double> values, double q) {
  if (values.empty()) {
    throw UsageError({.where = "quantile",
                      .what = "no values",
                      .got = "",
                      .expected = "one at least",
                      .hint = ""});
  }
  std::sort(values.begin(), values.end());
  const double position = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(position);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

Interval percentile_interval(double value, const std::vector<double>& replicates, double level) {
  check_level(level);
  return {.value = value,
          .low = quantile(replicates, (1 - level) / 2),
          .high = quantile(replicates, (1 + level) / 2),
          .level = level,
          .method = "percentile bootstrap"};
}

Interval centred_interval(double value, const std::vector<double>& replicates, double level) {
  Interval interval = percentile_interval(value, replicates, level);
  const double count = static_cast<double>(replicates.size());
  const double shift = value - std::accumulate(replicates.begin(), replicates.end(), 0.0) / count;
  interval.low += shift;
  interval.high += shift;
  interval.method = "centred bootstrap";
  return interval;
}

Interval mean_interval(const at::Tensor& values, const BootstrapOptions& options) {
  const std::vector<double> numbers = to_vector(values);
  if (numbers.empty()) {
    throw UsageError(
        {.where = "mean", .what = "no values", .got = "", .expected = "one at least", .hint = ""});
  }
  const double count = static_cast<double>(numbers.size());
  const auto mean_of_draw = [&](RandomStream& stream) {
    double sum = 0;
    for (size_t i = 0; i < numbers.size(); ++i) sum += numbers[stream.below(numbers.size())];
    return sum / count;
  };
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count;
  return percentile_interval(mean, bootstrap_replicates(mean_of_draw, options), options.level);
}

Interval normal_interval(double value, double standard_error, double level,
                         const std::string& method) {
  check_level(level);
  const double half_width = normal_quantile(level) * standard_error;
  return {.value = value,
          .low = value - half_width,
          .high = value + half_width,
          .level = level,
          .method = method};
}

std::vector<double> to_vector(const at::Tensor& values) {
  const at::Tensor flat = values.reshape({-1}).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

nlohmann::ordered_json quantiles_json(const at::Tensor& values) {
  if (values.numel() == 0) return nullptr;
  std::vector<double> numbers = to_vector(values);
  std::sort(numbers.begin(), numbers.end());
  return {{"p05", quantile(numbers, 0.05)},
          {"p25", quantile(numbers, 0.25)},
          {"p50", quantile(numbers, 0.5)},
          {"p75", quantile(numbers, 0.75)},
          {"p95", quantile(numbers, 0.95)}};
}

std::vector<int64_t> resample_counts(const std::vector<int64_t>& counts, int64_t num_draws,
                                     RandomStream& stream) {
  std::vector<int64_t> ends(counts.size());
  std::partial_sum(counts.begin(), counts.end(), ends.begin());
  EQUIPOISE_ASSERT(!ends.empty() && ends.back() > 0);
  std::vector<int64_t> drawn(counts.size(), 0);
  for (int64_t i = 0; i < num_draws; ++i) {
    const auto unit = static_cast<int64_t>(stream.below(ends.back()));
    ++drawn[std::upper_bound(ends.begin(), ends.end(), unit) - ends.begin()];
  }
  return drawn;
}

}  // namespace equipoise::metrics
