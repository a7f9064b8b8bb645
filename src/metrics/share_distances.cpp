#include "metrics/share_distances.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

/// Resolution at which a law of real numbers is turned into units to draw from.
constexpr double kUnits = 0x1p40;

void check_target(const ShareDistance& distance, const Counts& counts,
                  const std::vector<double>& target) {
  const double sum = std::accumulate(target.begin(), target.end(), 0.0);
  const bool is_law =
      std::ranges::all_of(
          target,
          [&](double share) { return distance.needs_positive_target ? share > 0 : share >= 0; }) &&
      std::abs(sum - 1) < 1e-6;
  if (is_law && target.size() == counts.size() && total(counts) > 0) return;
  throw UsageError(
      {.where = "shares",
       .what = "counts and target do not fit together",
       .got = fmt::format("counts [{}], target [{}]", fmt::join(counts, ", "),
                          fmt::join(target, ", ")),
       .expected = fmt::format("one count and one {}share a group, shares summing to 1, one sample "
                               "at least",
                               distance.needs_positive_target ? "positive " : ""),
       .hint = ""});
}

Counts to_units(const std::vector<double>& law) {
  Counts units;
  for (double share : law) units.push_back(static_cast<int64_t>(share * kUnits));
  return units;
}

MeasuredDistance summarise(double value, double largest, const std::vector<double>& replicates,
                           const std::vector<double>& under_target, double level) {
  MeasuredDistance result{.interval = centred_interval(value, replicates, level),
                          .floor = std::accumulate(under_target.begin(), under_target.end(), 0.0) /
                                   static_cast<double>(under_target.size()),
                          .floor_high = quantile(under_target, level)};
  const double mean = std::accumulate(replicates.begin(), replicates.end(), 0.0) /
                      static_cast<double>(replicates.size());
  Interval& interval = result.interval;
  interval.low =
      value <= result.floor_high ? 0 : std::max(0.0, interval.low - std::max(0.0, mean - value));
  interval.high = std::min(largest, interval.high);
  interval.method = "centred bootstrap, low end less its bias";
  return result;
}

BootstrapOptions next_part(BootstrapOptions options) {
  ++options.part;
  return options;
}

/// Sum over groups of a term of (p_g, q_g).
template <class Term>
double sum_over_groups(const std::vector<double>& p, const std::vector<double>& q,
                       const Term& term) {
  EQUIPOISE_ASSERT(p.size() == q.size());
  double sum = 0;
  for (size_t g = 0; g < p.size(); ++g) sum += term(p[g], q[g]);
  return sum;
}

}  // namespace

double hellinger_distance(const std::vector<double>& p, const std::vector<double>& q) {
  const double sum = sum_over_groups(p, q, [](double share, double wanted) {
    const double difference = std::sqrt(share) - std::sqrt(wanted);
    return difference * difference;
  });
  return std::sqrt(sum / 2);
}

double kl_divergence(const std::vector<double>& p, const std::vector<double>& q) {
  const double sum = sum_over_groups(p, q, [](double share, double wanted) {
    return share > 0 ? share * std::log(share / wanted) : 0;
  });
  return std::max(0.0, sum);  // below 0 by rounding only
}

double chi_square_divergence(const std::vector<double>& p, const std::vector<double>& q) {
  return sum_over_groups(p, q, [](double share, double wanted) {
    return share == wanted ? 0 : (share - wanted) * (share - wanted) / wanted;
  });
}

MeasuredDistance measure_distance(const ShareDistance& distance, const Counts& counts,
                                  const std::vector<double>& target,
                                  const BootstrapOptions& options) {
  check_target(distance, counts, target);
  const int64_t num_samples = total(counts);
  const auto distance_of_draw = [&](const Counts& law) {
    return [&, law](RandomStream& stream) {
      return distance.between(to_shares(resample_counts(law, num_samples, stream)), target);
    };
  };
  return summarise(distance.between(to_shares(counts), target), distance.largest,
                   bootstrap_replicates(distance_of_draw(counts), options),
                   bootstrap_replicates(distance_of_draw(to_units(target)), next_part(options)),
                   options.level);
}

MeasuredDistance measure_corrected_distance(const ShareDistance& distance, const Counts& counts,
                                            const ConfusionMatrix& confusion,
                                            const std::vector<double>& target,
                                            const BootstrapOptions& options) {
  check_target(distance, counts, target);
  const auto corrected = [&](const Counts& drawn, const ConfusionMatrix& redrawn) {
    return distance.between(correct_shares(to_shares(drawn), to_rates(redrawn)), target);
  };
  const auto of_samples = [&](RandomStream& stream) {
    const ShareReplicate replicate = resample(counts, confusion, stream);
    return corrected(replicate.counts, replicate.confusion);
  };
  const Counts law_under_target = to_units(predicted_law(target, to_rates(confusion)));
  const auto under_target = [&](RandomStream& stream) {
    const Counts drawn = resample_counts(law_under_target, total(counts), stream);
    ConfusionMatrix redrawn;
    for (const Counts& row : confusion) redrawn.push_back(resample_counts(row, total(row), stream));
    return corrected(drawn, redrawn);
  };
  return summarise(corrected(counts, confusion), distance.largest,
                   bootstrap_replicates(of_samples, options),
                   bootstrap_replicates(under_target, next_part(options)), options.level);
}

nlohmann::ordered_json to_json(const MeasuredDistance& measured) {
  nlohmann::ordered_json json = to_json(measured.interval);
  json["floor"] = measured.floor;
  json["floor_high"] = measured.floor_high;
  return json;
}

namespace {

constexpr std::pair<const char*, ShareDistance> kDistances[] = {
    {"hellinger", {.between = hellinger_distance, .largest = 1}},
    {"kl", {.between = kl_divergence, .needs_positive_target = true}},
    {"chi_square", {.between = chi_square_divergence, .needs_positive_target = true}},
};

struct ShareDistanceOptions {
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("bootstrap", bootstrap, "count", "resamplings behind interval and floor", {50, 1000000});
  }
};

class ShareDistances : public Metric {
 public:
  explicit ShareDistances(const ShareDistanceOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"counts", !input.counts.empty()}, {"target", !input.target.empty()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const bool is_target_positive =
        std::ranges::all_of(input.target, [](double share) { return share > 0; });
    nlohmann::ordered_json json, undefined = nlohmann::ordered_json::array();
    for (const auto& [name, distance] : kDistances) {
      if (distance.needs_positive_target && !is_target_positive) {
        undefined.push_back(name);
      } else {
        json[name] = measure_one(distance, input);
      }
    }
    if (!undefined.empty()) json["undefined"] = undefined;
    json["num_samples"] = total(input.counts);
    return json;
  }

 private:
  nlohmann::ordered_json measure_one(const ShareDistance& distance,
                                     const MetricInput& input) const {
    const BootstrapOptions bootstrap{
        .num_replicates = options_.bootstrap, .seed = input.seed, .part = 10, .level = input.level};
    nlohmann::ordered_json json{
        {"raw", to_json(measure_distance(distance, input.counts, input.target, bootstrap))}};
    if (input.confusion)
      json["corrected"] = to_json(measure_corrected_distance(
          distance, input.counts, *input.confusion, input.target, bootstrap));
    return json;
  }

  ShareDistanceOptions options_;
};

const bool kRegistered = register_metric<ShareDistances, ShareDistanceOptions>(
    {.name = "share_distances",
     .summary = "Hellinger distance, KL and chi-square divergence of the group shares to the "
                "stated target, with their floors at this n.",
     .source = "ours, after the usual definitions",
     .use_when = "To compare with numbers stated in these; total_variation to read one."},
    /*headline=*/"/hellinger/raw/value", /*ideal=*/0, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
