#include "metrics/rarity.h"

#include <ATen/ATen.h>

#include "metrics/intervals.h"
#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {

at::Tensor rarity_scores(const at::Tensor& samples, const at::Tensor& references,
                         const RarityOptions& options) {
  const at::Tensor radii = neighbour_radii(references, options.k, options.budget_bytes);
  return smallest_covering_radius(samples, references, radii,
                                  {.budget_bytes = options.budget_bytes});
}

namespace {

struct RarityMetricOptions {
  int64_t k = 3;
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "neighbours that set a reference's radius", {1, 1000});
    f("bootstrap", bootstrap, "count", "resamplings of the samples behind the interval",
      {50, 1000000});
  }
};

at::Tensor defined_of(const at::Tensor& scores) {
  return scores.masked_select(scores.isfinite());
}

class RarityMetric : public Metric {
 public:
  explicit RarityMetric(const RarityMetricOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, 1},
                         {"reference_features", input.reference_features, options_.k + 1}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const at::Tensor& references = input.reference_features;
    const at::Tensor radii = reference_neighbours(input)->radii(options_.k);
    const at::Tensor scores = smallest_covering_radius(input.sample_features, references, radii);
    const at::Tensor defined = defined_of(scores);
    const at::Tensor of_reference = defined_of(
        smallest_covering_radius(references, references, radii, {.skip_same_row = true}));
    nlohmann::ordered_json json{{"value", nullptr}};
    if (defined.numel() > 0) {
      json = to_json(mean_interval(defined, {.num_replicates = options_.bootstrap,
                                             .seed = input.seed,
                                             .part = 110,
                                             .level = input.level}));
    }
    json["of_reference"] = nullptr;
    if (of_reference.numel() > 0) json["of_reference"] = of_reference.mean().item<double>();
    json["quantiles"] = quantiles_json(defined);
    json["share_undefined"] =
        to_json(wilson_interval(scores.numel() - defined.numel(), scores.numel(), input.level));
    json["k"] = options_.k;
    json["recipe"] = distance_recipe(input);
    json["recipe"]["value"] = "mean of the defined scores";
    return json;
  }

 private:
  RarityMetricOptions options_;
};

const bool kRegistered = register_metric<RarityMetric, RarityMetricOptions>(
    {.name = "rarity",
     .summary = "Mean radius of the smallest reference ball that holds a sample; share of samples "
                "in no ball apart.",
     .source = "Han et al. 2022 (arXiv:2206.08549)",
     .use_when = "To see whether plausible samples come from sparse regions; read the undefined "
                 "share with it."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kNeither);

}  // namespace
}  // namespace equipoise::metrics
