#include "metrics/precision_recall.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {
namespace {

/// Share of `points` in the ball of some centre.
Interval share_held(const at::Tensor& points, const at::Tensor& centres, const at::Tensor& radii,
                    const PrecisionRecallOptions& options) {
  const at::Tensor smallest =
      smallest_covering_radius(points, centres, radii, {.budget_bytes = options.budget_bytes});
  return wilson_interval(smallest.isfinite().sum().item<int64_t>(), points.size(0), options.level);
}

}  // namespace

PrecisionRecall measure_precision_recall(const at::Tensor& samples, const at::Tensor& references,
                                         const PrecisionRecallOptions& options) {
  return measure_precision_recall(
      samples, references, neighbour_radii(references, options.k, options.budget_bytes), options);
}

PrecisionRecall measure_precision_recall(const at::Tensor& samples, const at::Tensor& references,
                                         const at::Tensor& radii,
                                         const PrecisionRecallOptions& options) {
  const at::Tensor of_samples = neighbour_radii(samples, options.k, options.budget_bytes);
  return {.precision = share_held(samples, references, radii, options),
          .recall = share_held(references, samples, of_samples, options)};
}

namespace {

struct PrecisionRecallMetricOptions {
  int64_t k = 3;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "neighbours that set an image's radius", {1, 1000});
  }
};

class PrecisionRecallMetric : public Metric {
 public:
  explicit PrecisionRecallMetric(const PrecisionRecallMetricOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, options_.k + 1},
                         {"reference_features", input.reference_features, options_.k + 1}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const PrecisionRecall measured = measure_precision_recall(
        input.sample_features, input.reference_features,
        reference_neighbours(input)->radii(options_.k), {.k = options_.k, .level = input.level});
    nlohmann::ordered_json json{{"precision", to_json(measured.precision)},
                                {"recall", to_json(measured.recall)},
                                {"k", options_.k},
                                {"recipe", distance_recipe(input)},
                                {"warnings", nlohmann::ordered_json::array()}};
    if (input.sample_features.size(0) != input.reference_features.size(0)) {
      json["warnings"].push_back(fmt::format(
          "{} samples against {} references: the smaller set has the larger balls, which raises "
          "{}; published values use equal sets",
          input.sample_features.size(0), input.reference_features.size(0),
          input.sample_features.size(0) < input.reference_features.size(0) ? "recall"
                                                                           : "precision"));
    }
    return json;
  }

 private:
  PrecisionRecallMetricOptions options_;
};

// Precision is the headline: what recall sees, `coverage` sees more robustly.
const bool kRegistered = register_metric<PrecisionRecallMetric, PrecisionRecallMetricOptions>(
    {.name = "precision_recall",
     .summary = "Share of samples that lie within k-th neighbour balls of the reference, and the "
                "reverse.",
     .source = "Kynkäänniemi et al. 2019 (arXiv:1904.06991), Eqs. 1 and 2",
     .use_when =
         "To tell junk (low precision) from lost modes (low recall) at equal set sizes; for "
         "lost modes alone prefer coverage."},
    /*headline=*/"/precision/value", /*ideal=*/1, Better::kHigher);

}  // namespace
}  // namespace equipoise::metrics
