#include "metrics/lof.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "metrics/intervals.h"
#include "metrics/metric.h"

namespace equipoise::metrics {

LocalOutlierFactor::LocalOutlierFactor(const at::Tensor& references,
                                       const LocalOutlierOptions& options)
    : LocalOutlierFactor(
          references,
          nearest_neighbours(
              references, references,
              {.k = options.k, .skip_same_row = true, .budget_bytes = options.budget_bytes}),
          options) {}

LocalOutlierFactor::LocalOutlierFactor(const at::Tensor& references, const Neighbours& own,
                                       const LocalOutlierOptions& options)
    : references_(references), options_(options), neighbours_(own) {
  constexpr double kFloor = 1e-10;
  const at::Tensor reaches = mean_reaches(neighbours_);
  least_reach_ =
      std::max(kFloor * reaches.mean().item<double>(), std::numeric_limits<double>::min());
  reaches_ = reaches.clamp_min(least_reach_);
}

at::Tensor LocalOutlierFactor::of_references() const {
  return factors(reaches_, neighbours_);
}

at::Tensor LocalOutlierFactor::of_samples(const at::Tensor& samples) const {
  const Neighbours nearest = nearest_neighbours(
      samples, references_, {.k = options_.k, .budget_bytes = options_.budget_bytes});
  return factors(mean_reaches(nearest).clamp_min(least_reach_), nearest);
}

at::Tensor LocalOutlierFactor::mean_reaches(const Neighbours& neighbours) const {
  const at::Tensor radii = neighbours_.distances.select(1, options_.k - 1).contiguous();
  return at::maximum(neighbours.distances, radii.take(neighbours.indices)).mean(1);
}

at::Tensor LocalOutlierFactor::factors(const at::Tensor& reaches,
                                       const Neighbours& neighbours) const {
  return reaches * reaches_.reciprocal().take(neighbours.indices).mean(1);
}

namespace {

struct LofOptions {
  int64_t k = 20;
  double outlier_above = 1.5;
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "nearest references a sample is compared with", {1, 1000});
    f("outlier_above", outlier_above, "", "factor from which a sample counts as an outlier",
      {1, 1000});
    f("bootstrap", bootstrap, "count", "resamplings of the samples behind the interval",
      {50, 1000000});
  }
};

class LofMetric : public Metric {
 public:
  explicit LofMetric(const LofOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, 1},
                         {"reference_features", input.reference_features, options_.k + 1}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const LocalOutlierFactor reference(input.reference_features,
                                       reference_neighbours(input)->nearest(options_.k),
                                       {.k = options_.k});
    const at::Tensor factors = reference.of_samples(input.sample_features);
    nlohmann::ordered_json json =
        to_json(mean_interval(factors, {.num_replicates = options_.bootstrap,
                                        .seed = input.seed,
                                        .part = 100,
                                        .level = input.level}));
    json["of_reference"] = reference.of_references().mean().item<double>();
    json["quantiles"] = quantiles_json(factors);
    json["share_outliers"] = to_json(wilson_interval(
        factors.gt(options_.outlier_above).sum().item<int64_t>(), factors.numel(), input.level));
    json["outlier_above"] = options_.outlier_above;
    json["k"] = options_.k;
    json["recipe"] = distance_recipe(input);
    json["recipe"]["mode"] = "novelty: neighbours are references alone";
    json["recipe"]["of_reference"] = "standard: references among the other references";
    return json;
  }

 private:
  LofOptions options_;
};

const bool kRegistered = register_metric<LofMetric, LofOptions>(
    {.name = "lof",
     .summary = "Mean local outlier factor of samples with respect to the reference.",
     .source = "Breunig et al. 2000 (SIGMOD), Definitions 3 to 7",
     .use_when = "To see samples off the reference where its density varies; avg_knn when it does "
                 "not."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kNeither);

}  // namespace
}  // namespace equipoise::metrics
