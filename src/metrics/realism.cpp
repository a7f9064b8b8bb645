#include "metrics/realism.h"

#include <limits>

#include <ATen/ATen.h>

#include "metrics/intervals.h"
#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {
namespace {

/// Radii of the references' balls, those left out -1: their ratios are never the maximum.
at::Tensor kept_radii(const at::Tensor& radii) {
  return radii.masked_fill(radii.gt(quantile(to_vector(radii), 0.5)), -1);
}

at::Tensor largest_ratios(const at::Tensor& samples, const at::Tensor& references,
                          const at::Tensor& radii, const PairOptions& options) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  at::Tensor scores = at::zeros({samples.size(0)}, at::kDouble);
  for_each_distance_block(samples, references, options, [&](const DistanceBlock& block) {
    const at::Tensor radius = radii.slice(0, block.first_reference, block.last_reference);
    // 0 / 0: a copy of a reference that has k copies in its own set.
    const at::Tensor ratio =
        (radius / block.distances).nan_to_num_(/*nan=*/kInfinity, /*posinf=*/kInfinity);
    at::Tensor of_samples = scores.slice(0, block.first_query, block.last_query);
    of_samples.copy_(at::maximum(of_samples, ratio.amax(1)));
  });
  return scores;
}

}  // namespace

at::Tensor realism_scores(const at::Tensor& samples, const at::Tensor& references,
                          const RealismOptions& options) {
  const at::Tensor radii = neighbour_radii(references, options.k, options.budget_bytes);
  return largest_ratios(samples, references, kept_radii(radii),
                        {.budget_bytes = options.budget_bytes});
}

namespace {

struct RealismMetricOptions {
  int64_t k = 3;
  void fields(FieldVisitor& f) {
    f("k", k, "count", "neighbours that set a reference's radius", {1, 1000});
  }
};

class RealismMetric : public Metric {
 public:
  explicit RealismMetric(const RealismMetricOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features, 1},
                         {"reference_features", input.reference_features, options_.k + 1}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const at::Tensor& references = input.reference_features;
    const at::Tensor radii = kept_radii(reference_neighbours(input)->radii(options_.k));
    const at::Tensor scores = largest_ratios(input.sample_features, references, radii, {});
    const at::Tensor of_reference =
        largest_ratios(references, references, radii, {.skip_same_row = true});
    const at::Tensor finite = scores.masked_select(scores.isfinite());
    nlohmann::ordered_json json =
        to_json(wilson_interval(scores.ge(1).sum().item<int64_t>(), scores.numel(), input.level));
    json["of_reference"] = of_reference.ge(1).to(at::kDouble).mean().item<double>();
    json["mean"] = nullptr;
    if (finite.numel() > 0) json["mean"] = finite.mean().item<double>();
    json["quantiles"] = quantiles_json(finite);
    json["num_infinite"] = scores.numel() - finite.numel();
    json["k"] = options_.k;
    json["recipe"] = distance_recipe(input);
    json["recipe"]["value"] = "share of scores of 1 and more";
    json["recipe"]["mean"] = "of the finite scores, as are the quantiles";
    return json;
  }

 private:
  RealismMetricOptions options_;
};

const bool kRegistered = register_metric<RealismMetric, RealismMetricOptions>(
    {.name = "realism",
     .summary = "Share of samples with realism 1 or more: those within the smaller half of the "
                "reference's k-th neighbour balls.",
     .source = "Kynkäänniemi et al. 2019 (arXiv:1904.06991), Eq. 3",
     .use_when = "To rank single images or find the bad ones; for one number about a set prefer "
                 "precision_recall."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kNeither);

}  // namespace
}  // namespace equipoise::metrics
