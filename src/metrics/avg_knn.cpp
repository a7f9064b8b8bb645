#include "metrics/avg_knn.h"

#include <ATen/ATen.h>

#include "metrics/intervals.h"
#include "metrics/metric.h"

namespace equipoise::metrics {

at::Tensor average_neighbour_distances(const at::Tensor& samples, const at::Tensor& references,
                                       const NeighbourOptions& options) {
  return nearest_distances(samples, references, options).mean(1);
}

namespace {

struct AvgKnnOptions {
  int64_t k = 5;
  int64_t bootstrap = 1000;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "nearest references whose distances are averaged", {1, 1000});
    f("bootstrap", bootstrap, "count", "resamplings of the samples behind the interval",
      {50, 1000000});
  }
};

class AvgKnn : public Metric {
 public:
  explicit AvgKnn(const AvgKnnOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, 1},
                         {"reference_features", input.reference_features, options_.k + 1}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const at::Tensor& references = input.reference_features;
    const at::Tensor averages =
        average_neighbour_distances(input.sample_features, references, {.k = options_.k});
    const at::Tensor of_reference =
        reference_neighbours(input)->nearest(options_.k).distances.mean(1);
    nlohmann::ordered_json json =
        to_json(mean_interval(averages, {.num_replicates = options_.bootstrap,
                                         .seed = input.seed,
                                         .part = 90,
                                         .level = input.level}));
    json["of_reference"] = of_reference.mean().item<double>();
    json["quantiles"] = quantiles_json(averages);
    json["k"] = options_.k;
    json["recipe"] = distance_recipe(input);
    json["recipe"]["of_reference"] = "references to the other references";
    return json;
  }

 private:
  AvgKnnOptions options_;
};

const bool kRegistered = register_metric<AvgKnn, AvgKnnOptions>(
    {.name = "avg_knn",
     .summary = "Mean distance of samples to their k nearest reference images.",
     .source = "Um, Lee & Ye 2024 (arXiv:2301.12334); Sehwag et al. 2022 (arXiv:2203.17260)",
     .use_when = "To see whether samples come from sparse regions; above `of_reference` also when "
                 "they are junk, so read precision with it."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kNeither);

}  // namespace
}  // namespace equipoise::metrics
