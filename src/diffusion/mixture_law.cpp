#include "diffusion/mixture_law.h"

#include <cmath>
#include <numbers>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::diffusion {
namespace {

void check_components(const std::vector<GaussianMixture::Component>& components) {
  double total = 0;
  bool valid = !components.empty();
  for (const auto& component : components) {
    total += component.weight;
    valid = valid && component.weight > 0 && component.std >= 0 && !component.mean.empty() &&
            component.mean.size() == components.front().mean.size();
  }
  if (valid && std::abs(total - 1) < 1e-9) return;
  throw UsageError(
      {.where = "GaussianMixture",
       .what = "not a mixture",
       .got = fmt::format("{} components of total weight {}", components.size(), total),
       .expected = "positive weights that sum to 1, means of one length, std >= 0",
       .hint = ""});
}

// [B,K] -> sum over k of values_k times vectors_k, in the shape of x.
at::Tensor weighted_sum(const at::Tensor& weights, const at::Tensor& vectors, const at::Tensor& x) {
  return (weights.unsqueeze(2) * vectors).sum(1).reshape(x.sizes());
}

}  // namespace

GaussianMixture::GaussianMixture(const std::vector<Component>& components) {
  check_components(components);
  const auto count = static_cast<int64_t>(components.size());
  log_weights_ = at::empty({count}, at::kDouble);
  variances_ = at::empty({count}, at::kDouble);
  means_ = at::empty({count, static_cast<int64_t>(components.front().mean.size())}, at::kDouble);
  for (int64_t k = 0; k < count; ++k) {
    const Component& component = components[static_cast<size_t>(k)];
    log_weights_[k] = std::log(component.weight);
    variances_[k] = component.std * component.std;
    means_[k] = at::tensor(at::ArrayRef<double>(component.mean), at::kDouble);
  }
}

GaussianMixture::PerComponent GaussianMixture::evaluate(const at::Tensor& x,
                                                        const at::Tensor& sigma) const {
  const at::Tensor flat = x.flatten(1);
  check_shape(flat, {sigma.size(0), dimension()}, "x");
  const at::Tensor noise_variance = sigma.to(x.options()).square().unsqueeze(1);
  PerComponent result;
  result.difference = means_.to(x.options()) - flat.unsqueeze(1);
  result.variance = variances_.to(x.options()) + noise_variance;
  const at::Tensor log_normaliser =
      0.5 * static_cast<double>(dimension()) * (result.variance * (2 * std::numbers::pi)).log();
  result.log_joint = log_weights_.to(x.options()) - log_normaliser -
                     0.5 * result.difference.square().sum(2) / result.variance;
  return result;
}

at::Tensor GaussianMixture::log_density(const at::Tensor& x, const at::Tensor& sigma) const {
  return evaluate(x, sigma).log_joint.logsumexp(1);
}

at::Tensor GaussianMixture::score(const at::Tensor& x, const at::Tensor& sigma) const {
  const PerComponent parts = evaluate(x, sigma);
  return weighted_sum(parts.log_joint.softmax(1) / parts.variance, parts.difference, x);
}

at::Tensor GaussianMixture::responsibilities(const at::Tensor& x, const at::Tensor& sigma) const {
  return evaluate(x, sigma).log_joint.softmax(1);
}

// E[clean | x, k] = x + (mean_k - x) sigma^2 / variance_k.
at::Tensor GaussianMixture::denoise(const at::Tensor& x, const at::Tensor& sigma,
                                    const Conditions&) const {
  const PerComponent parts = evaluate(x, sigma);
  const at::Tensor shrinkage = sigma.to(x.options()).square().unsqueeze(1) / parts.variance;
  return x + weighted_sum(parts.log_joint.softmax(1) * shrinkage, parts.difference, x);
}

at::Tensor GaussianMixture::sample(uint64_t seed, const at::Tensor& numbers,
                                   Purpose purpose) const {
  const at::Tensor cumulative = log_weights_.exp().cumsum(0);
  const auto bounds = cumulative.accessor<double, 1>();
  const auto means = means_.accessor<double, 2>();
  const auto variances = variances_.accessor<double, 1>();
  const auto items = numbers.accessor<int64_t, 1>();
  at::Tensor result = at::empty({numbers.size(0), dimension()}, at::kFloat);
  auto rows = result.accessor<float, 2>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    RandomStream stream(seed, purpose, static_cast<uint64_t>(items[i]));
    const double position = stream.uniform();
    int64_t k = 0;
    while (k + 1 < bounds.size(0) && position > bounds[k]) ++k;
    const double std = std::sqrt(variances[k]);
    for (int64_t d = 0; d < dimension(); ++d)
      rows[i][d] = static_cast<float>(means[k][d] + std * stream.normal());
  }
  return result;
}

GaussianMixture isotropic_gaussian(std::vector<double> mean, double std) {
  const std::vector<GaussianMixture::Component> components{
      {.weight = 1, .mean = std::move(mean), .std = std}};
  return GaussianMixture(components);
}

MixtureRatio::MixtureRatio(std::shared_ptr<const GaussianMixture> numerator,
                           std::shared_ptr<const GaussianMixture> denominator)
    : numerator_(std::move(numerator)), denominator_(std::move(denominator)) {}

at::Tensor MixtureRatio::log_ratio(const at::Tensor& x, const at::Tensor& sigma,
                                   const at::Tensor& /*labels*/) const {
  const at::Tensor exact = x.to(at::kDouble);
  return (numerator_->log_density(exact, sigma) - denominator_->log_density(exact, sigma))
      .to(x.scalar_type());
}

LawPair two_mode_laws() {
  const auto mixture = [](double low_mode_weight) {
    return std::make_shared<const GaussianMixture>(std::vector<GaussianMixture::Component>{
        {.weight = low_mode_weight, .mean = {-2, -2}, .std = 1},
        {.weight = 1 - low_mode_weight, .mean = {2, 2}, .std = 1}});
  };
  return {.biased = mixture(0.8), .unbiased = mixture(0.5)};
}

}  // namespace equipoise::diffusion
