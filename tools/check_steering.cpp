// Two toys whose density ratio is known: does what steers a biased model while sampling give the
// rare half its share back, at what cost, and how often are steps accepted? docs/results.md has the
// tables.
#include <cmath>
#include <memory>
#include <numbers>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "diffusion/mixture_law.h"
#include "guidance/discriminator.h"
#include "metrics/intervals.h"
#include "samplers/exact_kernel.h"
#include "samplers/rejection.h"
#include "samplers/sample_images.h"

namespace equipoise {
namespace {

using Components = std::vector<diffusion::GaussianMixture::Component>;

constexpr int64_t kNumImages = 10'000;
constexpr int64_t kNumWarmup = 4'000;

/// Where the biased law has a total of 0.2 and the unbiased one 0.5.
struct Toy {
  std::string name;
  Components biased, unbiased;
  /// Share of the points [N,2] that lie nearest to a rare component.
  int64_t num_rare(const at::Tensor& points) const {
    std::vector<at::Tensor> distances;
    for (const auto& component : biased)
      distances.push_back((points - at::tensor(component.mean, at::kFloat)).square().sum(1));
    const at::Tensor nearest = at::stack(distances).argmin(0);
    int64_t count = 0;
    for (size_t k = 0; k < biased.size(); ++k)
      if (biased[k].weight < unbiased[k].weight)
        count += nearest.eq(static_cast<int64_t>(k)).sum().item<int64_t>();
    return count;
  }
};

Toy two_modes() {
  return {"two Gaussians",
          {{.weight = 0.8, .mean = {-2, -2}}, {.weight = 0.2, .mean = {2, 2}}},
          {{.weight = 0.5, .mean = {-2, -2}}, {.weight = 0.5, .mean = {2, 2}}}};
}

Toy ring() {
  Toy toy{.name = "ring of eight", .biased = {}, .unbiased = {}};
  for (int k = 0; k < 8; ++k) {
    const double angle = 2 * std::numbers::pi * k / 8;
    const std::vector<double> mean{3 * std::cos(angle), 3 * std::sin(angle)};
    toy.biased.push_back({.weight = k % 2 == 0 ? 0.2 : 0.05, .mean = mean, .std = 0.3});
    toy.unbiased.push_back({.weight = 0.125, .mean = mean, .std = 0.3});
  }
  return toy;
}

/// One toy with everything exact.
class Bench {
 public:
  explicit Bench(Toy toy)
      : toy_(std::move(toy)),
        model_(std::make_shared<diffusion::GaussianMixture>(toy_.biased)),
        ratio_(std::make_shared<diffusion::MixtureRatio>(
            std::make_shared<diffusion::GaussianMixture>(toy_.unbiased), model_)) {}

  void run() {
    const auto heun = make("heun", 18);
    const auto chain = make("euler_ancestral", 100);
    show("heun, 18 steps", *heun, {}, nullptr);
    show("+ guidance, both orders", *heun, guidance(1, 1), nullptr);
    show("+ guidance, as published (2, 0)", *heun, guidance(2, 0), nullptr);
    show("+ rejection, percentile 0.75", *heun, {}, tested(*heun, {}).get());
    show("euler_ancestral, 100 steps", *chain, {}, nullptr);
    show("+ guidance", *chain, guidance(1, 1), nullptr);
    show("+ rejection, percentile 0.75", *chain, {}, tested(*chain, {}).get());
    const samplers::ExactKernel kernel(toy_.biased, 8);
    show("exact kernel, 8 steps", kernel, {}, nullptr);
    const auto exact = exact_rejection(kernel);
    const samplers::SampleResult result = show("+ exact rejection", kernel, {}, exact.get());
    fmt::print("  steps accepted (1/M = 0.25 of each):");
    for (size_t level = 1; level < result.rejection.tested.size(); ++level)
      fmt::print(" {:.4f}", static_cast<double>(result.rejection.accepted[level]) /
                                static_cast<double>(result.rejection.tested[level]));
    fmt::print("\n  priors accepted (1/M = 0.4): {:.4f}\n",
               static_cast<double>(result.rejection.accepted[0]) /
                   static_cast<double>(result.rejection.tested[0]));
  }

 private:
  static std::unique_ptr<samplers::Sampler> make(const std::string& name, int64_t steps) {
    return samplers::SamplerRegistry::instance().find(name).make.make({{"steps", steps}});
  }

  diffusion::GuidedDenoiser::Terms guidance(double weight, double second) const {
    guidance::DiscriminatorOptions options;
    options.weight = weight;
    options.second = second;
    options.time_min = 0;
    return {std::make_shared<const guidance::DiscriminatorGuidance>(options, ratio_)};
  }

  std::unique_ptr<samplers::Rejection> tested(const samplers::Sampler& sampler,
                                              const diffusion::GuidedDenoiser::Terms& terms) const {
    const samplers::RejectionConfig config{.warmup_images = kNumWarmup};
    Progress progress;
    return std::make_unique<samplers::Rejection>(
        ratio_, config, sampler,
        samplers::measure_rejection_tables(*model_, sampler, *ratio_, config, request(1), {},
                                           progress, terms));
  }

  /// The marginal ratio lies within [0.625, 2.5], that of a kernel therefore within [0.25, 4].
  std::unique_ptr<samplers::Rejection> exact_rejection(const samplers::Sampler& sampler) const {
    const std::vector<double> bounds(static_cast<size_t>(sampler.num_steps()) + 1, std::log(4.0));
    samplers::RejectionTables tables{.marginal = bounds, .transition = bounds};
    tables.marginal[0] = std::log(2.5);
    return std::make_unique<samplers::Rejection>(
        ratio_, samplers::RejectionConfig{.max_calls = 1'000'000, .exact = true}, sampler, tables);
  }

  static samplers::SampleRequest request(int64_t count) {
    return {.seeds = at::arange(count), .item_shape = {2}, .seed_base = 1};
  }

  samplers::SampleResult show(const std::string& name, const samplers::Sampler& sampler,
                              const diffusion::GuidedDenoiser::Terms& terms,
                              const samplers::Rejection* rejection) const {
    Progress progress;
    samplers::SampleResult result =
        samplers::sample_images(*model_, sampler, request(kNumImages),
                                {.batch_size = 512, .chunk_size = 512}, progress, terms, rejection);
    const metrics::Interval share =
        metrics::wilson_interval(toy_.num_rare(result.images), kNumImages);
    fmt::print("{:<16}{:<34}{:>7.3f} ({:.3f} to {:.3f}){:>10.1f}{:>10.1f}\n", toy_.name, name,
               share.value, share.low, share.high,
               result.total_calls.to(at::kDouble).mean().item<double>(),
               result.last_calls.to(at::kDouble).mean().item<double>());
    return result;
  }

  Toy toy_;
  std::shared_ptr<const diffusion::GaussianMixture> model_;
  std::shared_ptr<const diffusion::MixtureRatio> ratio_;
};

}  // namespace
}  // namespace equipoise

int main() {
  fmt::print("{:<16}{:<34}{:>7}{:>21}{:>11}{:>10}\n", "toy", "method", "rare", "95 % interval",
             "calls", "last try");
  equipoise::Bench(equipoise::two_modes()).run();
  equipoise::Bench(equipoise::ring()).run();
  return 0;
}
