#include "audit/prompt_probe.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/parallel.h"
#include "core/random.h"
#include "diffusion/ddpm_schedule.h"

namespace equipoise::audit {
namespace {

constexpr int64_t kNumSteps = 1000;

/// Conditions of all prompts [P,L]; undefined when none has one.
at::Tensor conditions_of(const std::vector<Prompt>& prompts) {
  at::Tensor like;
  for (const Prompt& prompt : prompts)
    if (prompt.condition.defined()) like = prompt.condition;
  if (!like.defined()) return {};
  std::vector<at::Tensor> rows;
  for (const Prompt& prompt : prompts) {
    rows.push_back(prompt.condition.defined() ? prompt.condition : at::zeros_like(like));
    check_shape(rows.back(), {like.size(0)}, "condition of '" + prompt.name + "'");
  }
  return at::stack(rows);
}

}  // namespace

double alpha_bar_of_step(int64_t step) {
  static const at::Tensor kAlphaBar =
      diffusion::ddpm_chain({.law = diffusion::BetaLaw::kLinear, .num_steps = kNumSteps}).alpha_bar;
  check_range(static_cast<double>(step), 0, kNumSteps - 1, "step");
  return kAlphaBar[step].item<double>();
}

double sigma_of_step(int64_t step) {
  const double alpha_bar = alpha_bar_of_step(step);
  return std::sqrt((1 - alpha_bar) / alpha_bar);
}

NoisyImages noisy_images(const at::Tensor& images, int64_t first, int64_t last, double sigma,
                         uint32_t draw, const ProbeOptions& options) {
  const at::Tensor clean = images.slice(0, first, last).to(at::kDouble);
  const at::Tensor noise = random_normal(options.seed, Purpose::kEvaluation,
                                         at::arange(first, last), clean.sizes().slice(1), draw);
  return {clean + sigma * noise.to(at::kDouble), sigma};
}

at::Tensor predict(const diffusion::Denoiser& denoiser, const NoisyImages& noisy,
                   const std::vector<Prompt>& prompts, Prediction prediction,
                   const ProbeOptions& options) {
  const int64_t batch = noisy.x.size(0), count = static_cast<int64_t>(prompts.size());
  const at::Tensor x = noisy.x.repeat_interleave(count, 0);
  const at::Tensor conditions = conditions_of(prompts);
  diffusion::Conditions told;
  if (conditions.defined())
    told.class_labels = conditions.repeat({batch, 1}).to(options.device, at::kFloat);
  const at::Tensor clean =
      denoiser
          .denoise(x.to(options.device),
                   at::full({batch * count}, noisy.sigma, at::kDouble).to(options.device), told)
          .to(at::kCPU, at::kDouble);
  const double total = std::sqrt(1 + noisy.sigma * noisy.sigma);
  const auto noise = [&] { return (x - clean) / noisy.sigma; };
  const auto answer = [&]() -> at::Tensor {
    switch (prediction) {
      case Prediction::kNoise:
        return noise();
      case Prediction::kVelocity:
        return (noise() - noisy.sigma * clean) / total;
      case Prediction::kClean:
        return clean;
      case Prediction::kScore:
        return noise() * (-total / noisy.sigma);
    }
    throw std::logic_error("internal error: unknown Prediction");
  };
  return answer().reshape({batch, count, -1});
}

void for_each_chunk(int64_t total, const ProbeOptions& options,
                    const std::function<void(int64_t, int64_t)>& visit) {
  const int64_t size = options.chunk_size;
  run_workers(options.num_workers, [&](int64_t worker) {
    const torch::NoGradGuard no_grad;
    for (int64_t begin = worker * size; begin < total; begin += options.num_workers * size)
      visit(begin, std::min(total, begin + size));
  });
}

std::string probe_recipe(int64_t num_images, int64_t forward_passes, const ProbeOptions& options) {
  return fmt::format(
      "t = {} of ddpm_linear_1000; {} images, {} draws of noise, {} forward passes an image, seed "
      "{}",
      fmt::join(options.steps, ", "), num_images, options.num_draws, forward_passes, options.seed);
}

}  // namespace equipoise::audit
