#include "metrics/coverage.h"

#include <ATen/ATen.h>

#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {

double expected_coverage(int64_t num_samples, int64_t num_references, int64_t k) {
  double missed = 1;
  for (int64_t i = 1; i <= k; ++i) {
    missed *= static_cast<double>(num_references - i) /
              static_cast<double>(num_samples + num_references - i);
  }
  return 1 - missed;
}

Coverage measure_coverage(const at::Tensor& samples, const at::Tensor& references,
                          const CoverageOptions& options) {
  return measure_coverage(samples, references,
                          neighbour_radii(references, options.k, options.budget_bytes), options);
}

Coverage measure_coverage(const at::Tensor& samples, const at::Tensor& references,
                          const at::Tensor& radii, const CoverageOptions& options) {
  const at::Tensor inside = count_within(references, radii, samples, options.budget_bytes);
  const int64_t num_covered = inside.gt(0).sum().item<int64_t>();
  const double num_pairs = static_cast<double>(inside.sum().item<int64_t>());
  return {.coverage = wilson_interval(num_covered, references.size(0), options.level),
          .expected = expected_coverage(samples.size(0), references.size(0), options.k),
          .density = num_pairs / static_cast<double>(options.k * samples.size(0))};
}

namespace {

struct CoverageMetricOptions {
  int64_t k = 5;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "neighbours that set a reference's radius", {1, 1000});
  }
};

class CoverageMetric : public Metric {
 public:
  explicit CoverageMetric(const CoverageMetricOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features.defined()},
                         {"reference_features", input.reference_features.defined()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const Coverage measured = measure_coverage(input.sample_features, input.reference_features,
                                               reference_neighbours(input)->radii(options_.k),
                                               {.k = options_.k, .level = input.level});
    nlohmann::ordered_json json = to_json(measured.coverage);
    json["expected"] = measured.expected;
    json["density"] = measured.density;
    json["k"] = options_.k;
    json["recipe"] = distance_recipe(input);
    return json;
  }

 private:
  CoverageMetricOptions options_;
};

const bool kRegistered = register_metric<CoverageMetric, CoverageMetricOptions>(
    {.name = "coverage",
     .summary = "Share of reference images that have a sample nearer than their k-th reference "
                "neighbour; with density.",
     .source = "Naeem et al. 2020 (arXiv:2002.09797), Eqs. 3 and 4",
     .use_when = "To see modes that samples leave out; compare with `expected`, which depends on "
                 "both set sizes."},
    /*headline=*/"/value", /*ideal=*/1, Better::kHigher);

}  // namespace
}  // namespace equipoise::metrics
