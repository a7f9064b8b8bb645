#include "metrics/total_variation.h"

#include <cmath>

#include "core/error.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

constexpr ShareDistance kTotalVariation{.between = total_variation_distance, .largest = 1};

}  // namespace

double total_variation_distance(const std::vector<double>& p, const std::vector<double>& q) {
  EQUIPOISE_ASSERT(p.size() == q.size());
  double sum = 0;
  for (size_t g = 0; g < p.size(); ++g) sum += std::abs(p[g] - q[g]);
  return sum / 2;
}

MeasuredDistance total_variation(const Counts& counts, const std::vector<double>& target,
                                 const BootstrapOptions& options) {
  return measure_distance(kTotalVariation, counts, target, options);
}

MeasuredDistance corrected_total_variation(const Counts& counts, const ConfusionMatrix& confusion,
                                           const std::vector<double>& target,
                                           const BootstrapOptions& options) {
  return measure_corrected_distance(kTotalVariation, counts, confusion, target, options);
}

namespace {

struct TotalVariationOptions {
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("bootstrap", bootstrap, "count", "resamplings behind interval and floor", {50, 1000000});
  }
};

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
    /*headline=*/"/raw/value", /*ideal=*/0, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
