#include "audit/lipschitz.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <tuple>

#include <fmt/format.h>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"
#include "diffusion/ddpm_schedule.h"

namespace equipoise::audit {
namespace {

constexpr int64_t kNumSteps = 1000;

void check_prompts(const std::vector<Prompt>& prompts) {
  bool is_usable = prompts.size() >= 2;
  for (size_t i = 0; i < prompts.size() && is_usable; ++i) {
    is_usable = prompts[i].condition.defined();
    for (size_t j = 0; j < i && is_usable; ++j)
      is_usable = !at::equal(prompts[i].condition, prompts[j].condition);
  }
  if (!is_usable)
    throw UsageError({.where = "Lipschitz estimate",
                      .what = "distances between prompts are needed",
                      .got = fmt::format("{} prompts", prompts.size()),
                      .expected = "two at least, all with conditions that differ",
                      .hint = ""});
}

/// From differences of eps to differences of the score, 1 / sqrt(1 - abar).
double score_units(double sigma) {
  return std::sqrt(1 + sigma * sigma) / sigma;
}

/// eps at x for conditions [B,L], differentiable in them: [B,d] in the denoiser's type.
at::Tensor noise_at(const diffusion::Denoiser& denoiser, const NoisyImages& noisy,
                    const at::Tensor& conditions, const ProbeOptions& options) {
  const at::Tensor x = noisy.x.to(options.device);
  const at::Tensor sigma = at::full({x.size(0)}, noisy.sigma, at::kDouble).to(options.device);
  return ((x - denoiser.denoise(x, sigma, {.class_labels = conditions})) / noisy.sigma).flatten(1);
}

/// Largest singular value of d eps / d e at `condition`, image by image: [B].
at::Tensor local_value(const diffusion::Denoiser& denoiser, const NoisyImages& noisy,
                       const at::Tensor& condition, at::Tensor direction,
                       const LipschitzOptions& options) {
  const at::Tensor at_point =
      condition.to(options.device, at::kFloat).expand_as(direction).contiguous();
  const double step = options.relative_step * std::max(condition.norm().item<double>(), 1e-3);
  at::Tensor value;
  for (int64_t i = 0; i < options.power_iterations; ++i) {
    direction = direction / direction.norm(2, 1, /*keepdim=*/true).clamp_min(1e-30);
    const at::Tensor image = (noise_at(denoiser, noisy, at_point + step * direction, options) -
                              noise_at(denoiser, noisy, at_point - step * direction, options))
                                 .detach() /
                             (2 * step);
    value = image.norm(2, 1);
    const at::AutoGradMode enable_grad(true);
    const at::Tensor leaf = at_point.detach().requires_grad_(true);
    const at::Tensor noise = noise_at(denoiser, noisy, leaf, options);
    direction = torch::autograd::grad({(noise * image).sum()}, {leaf}).front().detach();
  }
  return value.to(at::kCPU, at::kDouble);
}

/// Column sums of a linear interpolation: entry s of the result times a gap at step s.
void spread(std::vector<double>& weights, const std::vector<int64_t>& steps, int64_t t,
            double weight) {
  const auto above = std::lower_bound(steps.begin(), steps.end(), t) - steps.begin();
  const auto last = static_cast<int64_t>(steps.size()) - 1;
  if (above == 0 || above > last) {
    weights[static_cast<size_t>(std::clamp<int64_t>(above, 0, last))] += weight;
    return;
  }
  const auto high = static_cast<size_t>(above), low = high - 1;
  const double share =
      static_cast<double>(t - steps[low]) / static_cast<double>(steps[high] - steps[low]);
  weights[low] += (1 - share) * weight;
  weights[high] += share * weight;
}

/// The largest of `values`, resampled over images: a lower bound.
metrics::Interval largest_interval(const at::Tensor& values, const ProbeOptions& options) {
  const std::vector<double> each = metrics::to_vector(values);
  const double largest = *std::max_element(each.begin(), each.end());
  const auto replicates = metrics::bootstrap_replicates(
      [&](RandomStream& stream) {
        double seen = 0;
        for (size_t i = 0; i < each.size(); ++i)
          seen = std::max(seen, each[stream.below(each.size())]);
        return seen;
      },
      {.seed = options.seed, .level = options.level});
  metrics::Interval interval = metrics::percentile_interval(largest, replicates, options.level);
  interval.method = "percentile bootstrap of a maximum: a lower bound";
  return interval;
}

}  // namespace

LipschitzEstimate estimate_lipschitz(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                     const std::vector<Prompt>& prompts,
                                     const LipschitzOptions& options) {
  check_prompts(prompts);
  LipschitzEstimate estimate;
  std::vector<double> distances;
  for (size_t i = 0; i < prompts.size(); ++i)
    for (size_t j = i + 1; j < prompts.size(); ++j) {
      estimate.pairs.emplace_back(i, j);
      distances.push_back(
          (prompts[i].condition - prompts[j].condition).to(at::kDouble).norm().item<double>());
    }
  const int64_t num_images = images.size(0);
  const auto num_pairs = static_cast<int64_t>(estimate.pairs.size()),
             num_prompts = static_cast<int64_t>(prompts.size());
  for (const int64_t step : options.steps) {
    LipschitzAtStep at_step{.step = step,
                            .ratios = at::zeros({num_images, num_pairs}, at::kDouble),
                            .largest_ratios = at::zeros({num_images, num_pairs}, at::kDouble),
                            .gaps = at::zeros({num_images, num_pairs}, at::kDouble),
                            .local = {}};
    if (options.power_iterations > 0)
      at_step.local = at::zeros({num_images, num_prompts}, at::kDouble);
    estimate.steps.push_back(at_step);
  }
  const double share = 1 / static_cast<double>(options.num_draws);
  const auto visit = [&](int64_t begin, int64_t end, LipschitzAtStep& at_step, uint32_t draw) {
    const double sigma = sigma_of_step(at_step.step);
    const NoisyImages noisy = noisy_images(images, begin, end, sigma, draw, options);
    const at::Tensor noise = predict(denoiser, noisy, prompts, Prediction::kNoise, options);
    for (int64_t p = 0; p < num_pairs; ++p) {
      const auto [i, j] = estimate.pairs[static_cast<size_t>(p)];
      const at::Tensor gap =
          (noise.select(1, static_cast<int64_t>(i)) - noise.select(1, static_cast<int64_t>(j)))
              .square()
              .sum(1);
      const at::Tensor ratio =
          gap.sqrt() * (score_units(sigma) / distances[static_cast<size_t>(p)]);
      const auto of_chunk = [&](const at::Tensor& all) {
        return all.select(1, p).slice(0, begin, end);
      };
      of_chunk(at_step.gaps).add_(gap, share);
      of_chunk(at_step.ratios).add_(ratio, share);
      of_chunk(at_step.largest_ratios).clamp_min_(ratio);
    }
    if (!at_step.local.defined() || draw > 0) return;
    for (int64_t p = 0; p < num_prompts; ++p) {
      const at::Tensor& condition = prompts[static_cast<size_t>(p)].condition;
      const at::Tensor start = random_normal(options.seed, Purpose::kNoise, at::arange(begin, end),
                                             {condition.size(0)}, static_cast<uint32_t>(p))
                                   .to(options.device);
      at_step.local.select(1, p)
          .slice(0, begin, end)
          .copy_(local_value(denoiser, noisy, condition, start, options) * score_units(sigma));
    }
  };
  for_each_chunk(num_images, options, [&](int64_t begin, int64_t end) {
    for (LipschitzAtStep& at_step : estimate.steps)
      for (int64_t draw = 0; draw < options.num_draws; ++draw)
        visit(begin, end, at_step, static_cast<uint32_t>(draw));
  });
  return estimate;
}

int64_t lipschitz_passes(size_t num_prompts, const LipschitzOptions& options) {
  constexpr int64_t kAnIteration = 3;  // two for the difference, one for the derivative
  return static_cast<int64_t>(num_prompts * options.steps.size()) *
         (options.num_draws + kAnIteration * options.power_iterations);
}

at::Tensor path_kl_weights(const std::vector<int64_t>& steps) {
  const bool is_rising =
      std::adjacent_find(steps.begin(), steps.end(), std::greater_equal<>()) == steps.end();
  if (steps.empty() || !is_rising || steps.front() < 0 || steps.back() >= kNumSteps)
    throw UsageError({.where = "path KL",
                      .what = "steps to interpolate between",
                      .got = fmt::format("{} of them", steps.size()),
                      .expected = "rising numbers from 0 to 999",
                      .hint = ""});
  const diffusion::DdpmChain chain =
      diffusion::ddpm_chain({.law = diffusion::BetaLaw::kLinear, .num_steps = kNumSteps});
  const std::vector<double> each =
      metrics::to_vector(chain.beta / (2 * (1 - chain.beta) * (1 - chain.alpha_bar)));
  std::vector<double> weights(steps.size(), 0);
  for (int64_t t = 0; t < kNumSteps; ++t) spread(weights, steps, t, each[static_cast<size_t>(t)]);
  return at::tensor(weights, at::kDouble);
}

double pinsker_bound(double kl) {
  return std::min(1.0, std::sqrt(std::max(kl, 0.0) / 2));
}

std::vector<AuditNumber> lipschitz_numbers(const LipschitzEstimate& estimate,
                                           const std::vector<Prompt>& prompts,
                                           const LipschitzOptions& options) {
  const int64_t num_images = estimate.steps.front().ratios.size(0);
  const std::string recipe =
      probe_recipe(num_images, lipschitz_passes(prompts.size(), options), options);
  const metrics::BootstrapOptions bootstrap{.seed = options.seed, .level = options.level};
  std::vector<AuditNumber> numbers;
  std::vector<at::Tensor> gaps;
  for (const LipschitzAtStep& at_step : estimate.steps) {
    gaps.push_back(at_step.gaps);
    numbers.push_back(
        {.name = fmt::format("mean score difference over prompt distance at t = {}", at_step.step),
         .interval = metrics::mean_interval(at_step.ratios.mean(1).contiguous(), bootstrap),
         .recipe = recipe + ", all pairs",
         .not_said = "A small mean does not bound single images or other prompts."});
    numbers.push_back(
        {.name = fmt::format("largest of them at t = {}", at_step.step),
         .interval =
             largest_interval(std::get<0>(at_step.largest_ratios.max(1)).contiguous(), options),
         .recipe =
             recipe +
             fmt::format(
                 ", all pairs and draws; images not seen exceed it at a rate of at most {:.3g}",
                 metrics::clopper_pearson_interval(0, num_images, options.level).high),
         .not_said = "It is no Lipschitz constant, which can only be larger."});
    if (at_step.local.defined())
      numbers.push_back(
          {.name = fmt::format("largest derivative in the prompt at t = {}", at_step.step),
           .interval = largest_interval(std::get<0>(at_step.local.max(1)).contiguous(), options),
           .recipe = recipe + fmt::format(", {} power iterations at each prompt, first draw",
                                          options.power_iterations),
           .not_said = "It holds at the prompts themselves, not between them."});
  }
  const at::Tensor weights = path_kl_weights(options.steps);
  for (size_t p = 0; p < estimate.pairs.size(); ++p) {
    const auto [i, j] = estimate.pairs[p];
    std::vector<at::Tensor> of_pair;
    for (const at::Tensor& gap : gaps) of_pair.push_back(gap.select(1, static_cast<int64_t>(p)));
    const metrics::Interval kl =
        metrics::mean_interval(at::mv(at::stack(of_pair, 1), weights), bootstrap);
    const std::string pair = fmt::format("'{}' and '{}'", prompts[i].name, prompts[j].name);
    numbers.push_back({.name = "path KL of " + pair,
                       .interval = kl,
                       .recipe = recipe + ", gaps interpolated over the 1,000 steps, noisy images "
                                          "of the audited set in place of the sampler's own",
                       .not_said = "It compares whole sampling paths and is above the divergence "
                                   "of the images themselves."});
    metrics::Interval bound = kl;
    for (double* end : {&bound.value, &bound.low, &bound.high}) *end = pinsker_bound(*end);
    bound.method += ", Pinsker";
    numbers.push_back({.name = "bound on the change of any share between " + pair,
                       .interval = bound,
                       .recipe = recipe + ", sqrt(KL / 2) of that KL, at most 1",
                       .not_said = "A bound of 1 says nothing at all, and a small one says nothing "
                                   "of which share moves."});
  }
  return numbers;
}

}  // namespace equipoise::audit
