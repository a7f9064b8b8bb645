#include "metrics/nearest_reference.h"

#include <limits>
#include <vector>

#include <ATen/ATen.h>

#include "metrics/metric.h"
#include "metrics/neighbours.h"

namespace equipoise::metrics {

NearestReference compare_nearest(const at::Tensor& sample_distances,
                                 const at::Tensor& heldout_distances, double level) {
  const std::vector<double> of_heldout = to_vector(heldout_distances);
  NearestReference result;
  result.median = quantile(to_vector(sample_distances), 0.5);
  result.heldout_median = quantile(of_heldout, 0.5);
  result.ratio = result.heldout_median > 0 ? result.median / result.heldout_median
                                           : std::numeric_limits<double>::quiet_NaN();
  result.heldout_p05 = quantile(of_heldout, 0.05);
  const int64_t num_closer = sample_distances.lt(result.heldout_p05).sum().item<int64_t>();
  result.share_closer_than_heldout_p05 =
      wilson_interval(num_closer, sample_distances.numel(), level);
  result.share_exact = sample_distances.eq(0).to(at::kDouble).mean().item<double>();
  return result;
}

namespace {

struct NearestReferenceOptions {
  void fields(FieldVisitor&) {}
};

class NearestReferenceMetric : public Metric {
 public:
  explicit NearestReferenceMetric(const NearestReferenceOptions&) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_points", input.sample_points.defined()},
                         {"training_points", input.training_points.defined()},
                         {"heldout_points or heldout_distances",
                          input.heldout_points.defined() || input.heldout_distances.defined()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const at::Tensor of_samples =
        nearest_distances(input.sample_points, input.training_points, {.k = 1});
    const at::Tensor of_heldout =
        input.heldout_distances.defined()
            ? input.heldout_distances
            : nearest_distances(input.heldout_points, input.training_points, {.k = 1});
    const NearestReference measured = compare_nearest(of_samples, of_heldout, input.level);
    return {{"median", measured.median},
            {"heldout_median", measured.heldout_median},
            {"ratio", measured.ratio},
            {"heldout_p05", measured.heldout_p05},
            {"share_closer_than_heldout_p05", measured.share_closer_than_heldout_p05.value},
            {"share_interval", to_json(measured.share_closer_than_heldout_p05)},
            {"share_exact", measured.share_exact},
            {"recipe",
             {{"space", input.point_recipe},
              {"num_samples", input.sample_points.size(0)},
              {"num_training", input.training_points.size(0)},
              {"num_heldout", of_heldout.numel()},
              {"distance", "Euclidean, float64, exact"}}}};
  }
};

const bool kRegistered = register_metric<NearestReferenceMetric, NearestReferenceOptions>(
    {.name = "nearest_reference",
     .summary = "Distance of samples to their nearest training image, against that of held-out "
                "real images.",
     .source = "ours, after Meehan et al. 2020 (arXiv:2004.05675)",
     .use_when = "When the training set is small enough to be copied; pixels find copies, features "
                 "find near-copies."},
    /*headline=*/"/ratio", /*ideal=*/1, Better::kHigher);

}  // namespace
}  // namespace equipoise::metrics
