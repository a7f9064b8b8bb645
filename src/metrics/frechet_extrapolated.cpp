#include "metrics/frechet_extrapolated.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "metrics/metric.h"
#include "metrics/row_order.h"

namespace equipoise::metrics {
namespace {

void check_points(const std::vector<int64_t>& sizes, const std::vector<double>& distances) {
  const size_t num_different = std::set<int64_t>(sizes.begin(), sizes.end()).size();
  if (sizes.size() == distances.size() && num_different >= 3) return;
  throw UsageError(
      {.where = "extrapolated Fréchet distance",
       .what = "a line needs one distance a size, and three different sizes",
       .got = fmt::format("{} distances, {} different sizes", distances.size(), num_different),
       .expected = "",
       .hint = ""});
}

/// Equally spaced sizes from the smallest part to all samples.
std::vector<int64_t> part_sizes(int64_t num_samples, const ExtrapolationOptions& options) {
  const double all = static_cast<double>(num_samples);
  const double smallest = std::max(2.0, std::ceil(options.smallest_share * all));
  const double step = (all - smallest) / static_cast<double>(options.num_points - 1);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < options.num_points; ++i)
    sizes.push_back(std::llround(smallest + step * static_cast<double>(i)));
  return sizes;
}

int64_t fewest_samples(int64_t num_points) {
  return 2 * num_points;
}

}  // namespace

ExtrapolatedFrechet extrapolate_to_infinity(const std::vector<int64_t>& sizes,
                                            const std::vector<double>& distances) {
  check_points(sizes, distances);
  const at::Tensor inverse = at::tensor(sizes, at::kDouble).reciprocal();
  const at::Tensor distance = at::tensor(distances, at::kDouble);
  const at::Tensor centred = inverse - inverse.mean();
  const double spread = centred.square().sum().item<double>();
  const double slope = at::dot(centred, distance).item<double>() / spread;
  const double mean_inverse = inverse.mean().item<double>();
  const double value = distance.mean().item<double>() - slope * mean_inverse;
  const double num_points = static_cast<double>(sizes.size());
  const double variance =
      (distance - value - slope * inverse).square().sum().item<double>() / (num_points - 2);
  return {.value = value,
          .slope = slope,
          .standard_error =
              std::sqrt(variance * (1 / num_points + mean_inverse * mean_inverse / spread)),
          .sizes = sizes,
          .distances = distances};
}

ExtrapolatedFrechet frechet_extrapolated(const at::Tensor& samples,
                                         const FrechetReference& reference,
                                         const ExtrapolationOptions& options) {
  check_shape(samples, {kAny, kAny}, "samples");
  check_range(static_cast<double>(options.num_points), 3, 1000, "num_points");
  check_range(static_cast<double>(samples.size(0)),
              static_cast<double>(fewest_samples(options.num_points)), INFINITY,
              "number of samples");
  const at::Tensor order = content_order(samples);
  const std::vector<int64_t> sizes = part_sizes(samples.size(0), options);
  std::vector<double> distances;
  for (const int64_t size : sizes) {
    const RandomStream stream(options.seed, Purpose::kBootstrap, distances.size(), /*part=*/80);
    const at::Tensor part = samples.index_select(0, random_part(order, size, stream));
    distances.push_back(reference.distance_to(moments_of(part)).value);
  }
  return extrapolate_to_infinity(sizes, distances);
}

namespace {

struct FrechetExtrapolatedOptions {
  int64_t points = 15;
  double smallest_share = 0.1;
  void fields(FieldVisitor& f) {
    f("points", points, "count", "numbers of samples the line goes through", {3, 1000});
    f("smallest_share", smallest_share, "", "share of the samples at the first point", {0.01, 0.5});
  }
};

class FrechetExtrapolatedMetric : public Metric {
 public:
  explicit FrechetExtrapolatedMetric(const FrechetExtrapolatedOptions& options)
      : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing(
        {{"sample_features", input.sample_features, fewest_samples(options_.points)},
         {"reference_features", input.reference_features, 2}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const FrechetReference reference(moments_of(input.reference_features));
    const ExtrapolatedFrechet line =
        frechet_extrapolated(input.sample_features, reference,
                             {.num_points = options_.points,
                              .smallest_share = options_.smallest_share,
                              .seed = input.seed});
    const int64_t num_features = input.sample_features.size(1);
    nlohmann::ordered_json json{
        {"name", input.features_are_fid_inception ? "FID at infinitely many samples (FID-infinity)"
                                                  : "Fréchet distance at infinitely many samples"},
        {"value", line.value},
        {"slope", line.slope},
        {"standard_error", line.standard_error},
        {"points", points_json(line)},
        {"recipe",
         {{"features", input.feature_recipe},
          {"num_features", num_features},
          {"num_samples", input.sample_features.size(0)},
          {"num_reference", input.reference_features.size(0)},
          {"fit", "least squares of the distance on 1 / n"},
          {"standard_error", "of the fit alone"}}},
        {"warnings", nlohmann::ordered_json::array()}};
    if (line.sizes.front() <= num_features) {
      json["warnings"].push_back(fmt::format(
          "{} samples for {} features at the smallest point: the covariance is singular "
          "there and the distance not linear in 1 / n",
          line.sizes.front(), num_features));
    }
    return json;
  }

 private:
  static nlohmann::ordered_json points_json(const ExtrapolatedFrechet& line) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (size_t i = 0; i < line.sizes.size(); ++i)
      points.push_back({{"num_samples", line.sizes[i]}, {"distance", line.distances[i]}});
    return points;
  }

  FrechetExtrapolatedOptions options_;
};

const bool kRegistered = register_metric<FrechetExtrapolatedMetric, FrechetExtrapolatedOptions>(
    {.name = "frechet_extrapolated",
     .summary = "Fréchet distance that infinitely many samples would have, by a line in 1/n.",
     .source = "Chong & Forsyth 2020 (arXiv:1911.07023)",
     .use_when =
         "To compare sample sets of different size, at ten samples a feature or more; below "
         "that prefer kid."},
    /*headline=*/"/value", /*ideal=*/std::nullopt, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
