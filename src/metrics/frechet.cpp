#include "metrics/frechet.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "metrics/metric.h"

namespace equipoise::metrics {
namespace {

/// Eigenvalues with the negative ones set to 0; their sum is added to `clipped_mass`.
at::Tensor clip_negative(const at::Tensor& eigenvalues, double& clipped_mass) {
  clipped_mass -= eigenvalues.clamp_max(0).sum().item<double>();
  return eigenvalues.clamp_min(0);
}

at::Tensor symmetric_square_root(const at::Tensor& matrix, double& clipped_mass) {
  const auto [eigenvalues, eigenvectors] = at::linalg_eigh(matrix, "L");
  return at::matmul(eigenvectors * clip_negative(eigenvalues, clipped_mass).sqrt(),
                    eigenvectors.t());
}

void check_moments(const at::Tensor& mean, const at::Tensor& covariance, int64_t num_features,
                   const char* name) {
  check_shape(mean, {num_features}, std::string(name) + " mean");
  check_shape(covariance, {num_features, num_features}, std::string(name) + " covariance");
  check_finite(mean, std::string(name) + " mean");
  check_finite(covariance, std::string(name) + " covariance");
}

/// X' X, of which only the blocks below the diagonal are computed.
at::Tensor gram(const at::Tensor& rows) {
  constexpr int64_t kBlock = 256;
  const int64_t size = rows.size(1);
  at::Tensor product = at::empty({size, size}, rows.options());
  for (int64_t i = 0; i < size; i += kBlock) {
    const int64_t height = std::min(kBlock, size - i);
    const at::Tensor left = rows.narrow(1, i, height).t();
    for (int64_t j = 0; j <= i; j += kBlock) {
      const int64_t width = std::min(kBlock, size - j);
      const at::Tensor block = at::matmul(left, rows.narrow(1, j, width));
      product.narrow(0, i, height).narrow(1, j, width).copy_(block);
      if (j < i) product.narrow(0, j, width).narrow(1, i, height).copy_(block.t());
    }
  }
  return product;
}

/// How often each of `num_rows` rows is drawn, with replacement: [num_rows] float64.
at::Tensor draw_counts(int64_t num_rows, RandomStream& stream) {
  at::Tensor counts = at::zeros({num_rows}, at::kDouble);
  for (int64_t i = 0; i < num_rows; ++i)
    ++counts.data_ptr<double>()[stream.below(static_cast<uint64_t>(num_rows))];
  return counts;
}

}  // namespace

FeatureMoments::FeatureMoments(int64_t num_features)
    : mean_(at::zeros({num_features}, at::kDouble)),
      scatter_(at::zeros({num_features, num_features}, at::kDouble)) {}

void FeatureMoments::add(const at::Tensor& features) {
  check_shape(features, {kAny, num_features()}, "features");
  if (features.size(0) == 0) return;
  check_finite(features, "features");
  const at::Tensor rows = features.to(at::kCPU, at::kDouble);
  FeatureMoments batch(num_features());
  batch.count_ = rows.size(0);
  batch.mean_ = rows.mean(0);
  const at::Tensor centred = rows - batch.mean_;
  batch.scatter_ = gram(centred);
  merge(batch);
}

void FeatureMoments::merge(const FeatureMoments& other) {
  check_shape(other.mean_, {num_features()}, "features");
  if (other.count_ == 0) return;
  const double ours = static_cast<double>(count_);
  const double theirs = static_cast<double>(other.count_);
  const at::Tensor shift = other.mean_ - mean_;
  mean_ = mean_ + shift * (theirs / (ours + theirs));
  scatter_ =
      scatter_ + other.scatter_ + at::outer(shift, shift) * (ours * theirs / (ours + theirs));
  count_ += other.count_;
}

at::Tensor FeatureMoments::covariance() const {
  if (count_ < 2) {
    throw UsageError({.where = "features",
                      .what = "a covariance needs two rows at least",
                      .got = fmt::format("{}", count_),
                      .expected = "",
                      .hint = ""});
  }
  return scatter_ / static_cast<double>(count_ - 1);
}

FeatureMoments moments_of(const at::Tensor& features) {
  check_shape(features, {kAny, kAny}, "features");
  FeatureMoments moments(features.size(1));
  moments.add(features);
  return moments;
}

FrechetReference::FrechetReference(const at::Tensor& mean, const at::Tensor& covariance)
    : mean_(mean), covariance_(covariance) {
  check_moments(mean, covariance, mean.numel(), "reference");
  root_ = symmetric_square_root(covariance, clipped_mass_);
}

FrechetReference::FrechetReference(const FeatureMoments& moments)
    : FrechetReference(moments.mean(), moments.covariance()) {}

FrechetDistance FrechetReference::distance_to(const at::Tensor& mean,
                                              const at::Tensor& covariance) const {
  check_moments(mean, covariance, mean_.numel(), "sample");
  FrechetDistance distance{.clipped_mass = clipped_mass_};
  const at::Tensor product = at::matmul(at::matmul(root_, covariance), root_);
  const at::Tensor eigenvalues = at::linalg_eigvalsh((product + product.t()) / 2, "L");
  const double cross_term =
      clip_negative(eigenvalues, distance.clipped_mass).sqrt().sum().item<double>();
  distance.mean_term = (mean - mean_).square().sum().item<double>();
  distance.covariance_term =
      (covariance.trace() + covariance_.trace()).item<double>() - 2 * cross_term;
  distance.value = std::max(0.0, distance.mean_term + distance.covariance_term);
  return distance;
}

FrechetDistance FrechetReference::distance_to(const FeatureMoments& samples) const {
  return distance_to(samples.mean(), samples.covariance());
}

FrechetDistance frechet_distance(const at::Tensor& mean_a, const at::Tensor& covariance_a,
                                 const at::Tensor& mean_b, const at::Tensor& covariance_b) {
  return FrechetReference(mean_b, covariance_b).distance_to(mean_a, covariance_a);
}

FrechetDistance frechet_distance(const FeatureMoments& a, const FeatureMoments& b) {
  return FrechetReference(b).distance_to(a);
}

Interval frechet_interval(const at::Tensor& samples, const FrechetReference& reference,
                          const BootstrapOptions& options) {
  const at::Tensor rows = samples.to(at::kCPU, at::kDouble);
  const double value = reference.distance_to(moments_of(rows)).value;
  // A row drawn twice counts twice; those that are not drawn, a third of all, cost nothing.
  const auto distance_of_draw = [&](RandomStream& stream) {
    const at::Tensor counts = draw_counts(rows.size(0), stream);
    const at::Tensor drawn = counts.nonzero().squeeze(1);
    const at::Tensor times = counts.index_select(0, drawn).unsqueeze(1);
    const at::Tensor some = rows.index_select(0, drawn);
    const at::Tensor mean = (times * some).sum(0) / static_cast<double>(rows.size(0));
    const at::Tensor scatter = gram(times.sqrt() * (some - mean));
    return reference.distance_to(mean, scatter / static_cast<double>(rows.size(0) - 1)).value;
  };
  Interval interval =
      centred_interval(value, bootstrap_replicates(distance_of_draw, options), options.level);
  interval.low = std::max(0.0, interval.low);
  return interval;
}

FrechetFloor frechet_floor(const at::Tensor& reference, int64_t num_samples, uint64_t seed) {
  check_shape(reference, {kAny, kAny}, "reference_features");
  const int64_t num_reference = reference.size(0);
  const int64_t num_part = std::min(num_samples, num_reference / 2);
  const at::Tensor order =
      random_permutation(RandomStream(seed, Purpose::kBootstrap, 0, /*part=*/30), num_reference);
  const at::Tensor part = reference.index_select(0, order.slice(0, 0, num_part));
  const at::Tensor rest = reference.index_select(0, order.slice(0, num_part));
  return {.value = frechet_distance(moments_of(part), moments_of(rest)).value,
          .num_part = num_part,
          .num_rest = num_reference - num_part};
}

std::vector<std::string> frechet_warnings(int64_t num_samples, std::optional<int64_t> num_reference,
                                          int64_t num_features) {
  std::vector<std::string> warnings;
  const auto judge = [&](int64_t num_images, const char* set) {
    if (num_images < num_features + 1) {
      warnings.push_back(fmt::format(
          "{} {} for {} features: the covariance is singular and the distance mostly its floor",
          num_images, set, num_features));
    } else if (num_images < 10 * num_features) {
      warnings.push_back(
          fmt::format("{} {} for {} features: fewer than 10 a feature, so a good part of the "
                      "distance is its floor",
                      num_images, set, num_features));
    }
  };
  judge(num_samples, "samples");
  if (num_reference) judge(*num_reference, "reference images");
  return warnings;
}

namespace {

struct FrechetOptions {
  int64_t bootstrap = 100;
  void fields(FieldVisitor& f) {
    f("bootstrap", bootstrap, "count",
      "resamplings behind the interval; each costs one pass over the features", {20, 100000});
  }
};

class FrechetMetric : public Metric {
 public:
  explicit FrechetMetric(const FrechetOptions& options) : options_(options) {}

  std::string missing(const MetricInput& input) const override {
    return name_missing({{"sample_features", input.sample_features.defined()},
                         {"reference_features", input.reference_features.defined() ||
                                                    input.reference_moments.has_value()}});
  }

  nlohmann::ordered_json measure(const MetricInput& input) const override {
    const FeatureMoments samples = moments_of(input.sample_features);
    const FrechetReference reference = reference_of(input);
    const FrechetDistance distance = reference.distance_to(samples);
    const Interval interval = frechet_interval(input.sample_features, reference,
                                               {.num_replicates = options_.bootstrap,
                                                .seed = input.seed,
                                                .part = 20,
                                                .level = input.level});
    const std::optional<int64_t> num_reference = num_reference_of(input);
    nlohmann::ordered_json json{{"name", input.features_are_fid_inception
                                             ? "Fréchet Inception distance (FID)"
                                             : "Fréchet distance"}};
    json.update(to_json(interval));
    json["mean_term"] = distance.mean_term;
    json["covariance_term"] = distance.covariance_term;
    json["clipped_mass"] = distance.clipped_mass;
    json["recipe"] = {{"features", input.feature_recipe},
                      {"num_features", samples.num_features()},
                      {"num_samples", samples.count()},
                      {"num_reference", nullptr},
                      {"dtype", "float64"},
                      {"covariance", "divided by n - 1"},
                      {"square_root", "symmetric"},
                      {"resampled", "samples only"}};
    if (num_reference) json["recipe"]["num_reference"] = *num_reference;
    json["floor"] = floor_json(input);
    json["warnings"] = frechet_warnings(samples.count(), num_reference, samples.num_features());
    return json;
  }

 private:
  static FrechetReference reference_of(const MetricInput& input) {
    if (input.reference_features.defined()) return moments_of(input.reference_features);
    return {input.reference_moments->mean, input.reference_moments->covariance};
  }
  static std::optional<int64_t> num_reference_of(const MetricInput& input) {
    if (input.reference_features.defined()) return input.reference_features.size(0);
    return input.reference_moments->num_images;
  }
  static nlohmann::ordered_json floor_json(const MetricInput& input) {
    if (!input.reference_features.defined() || input.reference_features.size(0) < 4) return nullptr;
    const FrechetFloor floor =
        frechet_floor(input.reference_features, input.sample_features.size(0), input.seed);
    return {{"value", floor.value},
            {"what", fmt::format("{} reference images against the other {}", floor.num_part,
                                 floor.num_rest)}};
  }

  FrechetOptions options_;
};

const bool kRegistered = register_metric<FrechetMetric, FrechetOptions>(
    {.name = "frechet",
     .summary = "Fréchet distance between the features of samples and reference, each taken as a "
                "Gaussian.",
     .source = "Dowson & Landau 1982; Heusel et al. 2017 (arXiv:1706.08500), Eq. 6",
     .use_when = "To rank methods at one number of images and one extractor; add coverage to see "
                 "lost modes."},
    /*headline=*/"/value", /*ideal=*/0, Better::kLower);

}  // namespace
}  // namespace equipoise::metrics
