#include "metrics/total_variation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

/// Resolution at which a law of real numbers is turned into units to draw from.
constexpr double kUnits = 0x1p40;

void check_target(const Counts& counts, const std::vector<double>& target) {
  const double sum = std::accumulate(target.begin(), target.end(), 0.0);
  const bool is_law =
      std::all_of(target.begin(), target.end(), [](double share) { return share >= 0; }) &&
      std::abs(sum - 1) < 1e-6;
  if (is_law && target.size() == counts.size() && total(counts) > 0) return;
  throw UsageError(
      {.where = "total_variation",
       .what = "counts and target do not fit together",
       .got = fmt::format("counts [{}], target [{}]", fmt::join(counts, ", "),
                          fmt::join(target, ", ")),
       .expected = "one count and one share a group, shares summing to 1, one sample at least",
       .hint = ""});
}

Counts to_units(const std::vector<double>& law) {
  Counts units;
  for (double share : law) units.push_back(static_cast<int64_t>(share * kUnits));
  return units;
}

std::vector<double> predicted_law(const std::vector<double>& shares,
                                  const ConfusionMatrix& confusion) {
  const auto rates = to_rates(confusion);
  std::vector<double> law(shares.size(), 0);
  for (size_t g = 0; g < shares.size(); ++g) {
    for (size_t j = 0; j < shares.size(); ++j) law[j] += shares[g] * rates[g][j];
  }
  return law;
}

TotalVariation summarise(double value, const std::vector<double>& replicates,
                         const std::vector<double>& under_target, double level) {
  TotalVariation result{.interval = centred_interval(value, replicates, level),
                        .floor = std::accumulate(under_target.begin(), under_target.end(), 0.0) /
                                 static_cast<double>(under_target.size()),
                        .floor_high = quantile(under_target, level)};
  const double mean = std::accumulate(replicates.begin(), replicates.end(), 0.0) /
                      static_cast<double>(replicates.size());
  Interval& interval = result.interval;
  interval.low =
      value <= result.floor_high ? 0 : std::max(0.0, interval.low - std::max(0.0, mean - value));
  interval.high = std::min(1.0, interval.high);
  interval.method = "centred bootstrap, low end less its bias";
  return result;
}

BootstrapOptions next_part(BootstrapOptions options) {
  ++options.part;
  return options;
}

}  // namespace

double total_variation_distance(const std::vector<double>& p, const std::vector<double>& q) {
  EQUIPOISE_ASSERT(p.size() == q.size());
  double sum = 0;
  for (size_t g = 0; g < p.size(); ++g) sum += std::abs(p[g] - q[g]);
  return sum / 2;
}

TotalVariation total_variation(const Counts& counts, const std::vector<double>& target,
                               const BootstrapOptions& options) {
  check_target(counts, target);
  const int64_t num_samples = total(counts);
  const auto distance_of_draw = [&](const Counts& law) {
    return [&, law](RandomStream& stream) {
      return total_variation_distance(to_shares(resample_counts(law, num_samples, stream)), target);
    };
  };
  return summarise(total_variation_distance(to_shares(counts), target),
                   bootstrap_replicates(distance_of_draw(counts), options),
                   bootstrap_replicates(distance_of_draw(to_units(target)), next_part(options)),
                   options.level);
}

TotalVariation corrected_total_variation(const Counts& counts, const ConfusionMatrix& confusion,
                                         const std::vector<double>& target,
                                         const BootstrapOptions& options) {
  check_target(counts, target);
  const auto distance = [&](const Counts& drawn, const ConfusionMatrix& redrawn) {
    return total_variation_distance(correct_shares(to_shares(drawn), to_rates(redrawn)), target);
  };
  const auto of_samples = [&](RandomStream& stream) {
    const ShareReplicate replicate = resample(counts, confusion, stream);
    return distance(replicate.counts, replicate.confusion);
  };
  const Counts law_under_target = to_units(predicted_law(target, confusion));
  const auto under_target = [&](RandomStream& stream) {
    const Counts drawn = resample_counts(law_under_target, total(counts), stream);
    ConfusionMatrix redrawn;
    for (const Counts& row : confusion) redrawn.push_back(resample_counts(row, total(row), stream));
    return distance(drawn, redrawn);
  };
  return summarise(distance(counts, confusion), bootstrap_replicates(of_samples, options),
                   bootstrap_replicates(under_target, next_part(options)), options.level);
}

namespace {

struct TotalVariationOptions {
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("bootstrap", bootstrap, "count", "resamplings behind interval and floor", {50, 1000000});
  }
};

nlohmann::ordered_json to_json(const TotalVariation& measured) {
  nlohmann::ordered_json json = metrics::to_json(measured.interval);
  json["floor"] = measured.floor;
  json["floor_high"] = measured.floor_high;
  return json;
}

class TotalVariationMetric : public Metric {
 public:
  explicit TotalVariationMetric(const TotalVariationOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"counts", !input.counts.empty()}, {"target", !input.target.empty()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const BootstrapOptions bootstrap{
        .num_replicates = options_.bootstrap, .seed = input.seed, .part = 10, .level = input.level};
    nlohmann::ordered_json json{
        {"raw", to_json(total_variation(input.counts, input.target, bootstrap))}};
    if (input.confusion) {
      json["corrected"] = to_json(
          corrected_total_variation(input.counts, *input.confusion, input.target, bootstrap));
    }
    json["num_samples"] = total(input.counts);
    return json;
  }

 private:
  TotalVariationOptions options_;
};

const bool kRegistered = register_metric<TotalVariationMetric, TotalVariationOptions>(
    {.name = "total_variation",
     .summary = "Half the sum of absolute differences between group shares and the stated target, "
                "with its floor at this n.",
     .source = "ours, after the usual definition",
     .use_when = "To compare methods in one number; look at shares to see which group is off."},
    /*headline=*/"/raw/value", /*ideal=*/0, /*lower_is_better=*/true);

}  // namespace
}  // namespace equipoise::metrics
