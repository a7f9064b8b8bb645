#include "audit/elbo_classifier.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "core/error.h"
#include "core/libtorch.h"
#include "core/random.h"

namespace equipoise::audit {
namespace {

constexpr int64_t kNumTimes = 999;
constexpr int64_t kMinDraws = 2;  // one has no spread

at::Tensor element_losses(const at::Tensor& predicted, const at::Tensor& noise, ElementLoss loss) {
  const at::Tensor error = predicted - noise;
  switch (loss) {
    case ElementLoss::kSquare:
      return error.square();
    case ElementLoss::kAbsolute:
      return error.abs();
    case ElementLoss::kHuber:
      return at::where(error.abs() <= 1, 0.5 * error.square(), error.abs() - 0.5);
  }
  throw std::logic_error("internal error: unknown ElementLoss");
}

/// Losses of every draw and prompt of one image [M,K].
at::Tensor losses_of_image(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                           int64_t image, const std::vector<Prompt>& classes,
                           const ElboOptions& options) {
  std::vector<at::Tensor> losses;
  for (int64_t draw = 0; draw < options.num_times; ++draw) {
    const auto part = static_cast<uint32_t>(draw);
    const auto step = 1 + static_cast<int64_t>(RandomStream(options.seed, Purpose::kSigma,
                                                            static_cast<uint64_t>(image), part)
                                                   .below(kNumTimes));
    const NoisyImages noisy =
        noisy_images(images, image, image + 1, sigma_of_step(step), part, options);
    const at::Tensor clean = images.slice(0, image, image + 1).to(at::kDouble);
    const at::Tensor noise = ((noisy.x - clean) / noisy.sigma).flatten(1).unsqueeze(1);
    const at::Tensor errors = element_losses(
        predict(denoiser, noisy, classes, Prediction::kNoise, options), noise, options.loss);
    losses.push_back((options.sum_elements ? errors.sum(2) : errors.mean(2))[0]);
  }
  return at::stack(losses);
}

}  // namespace

at::Tensor ElboClassification::margins() const {
  const at::Tensor sorted = std::get<0>(losses.sort(1));
  return sorted.select(1, 1) - sorted.select(1, 0);
}

ElboClassification classify_by_elbo(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                                    const std::vector<Prompt>& classes,
                                    const ElboOptions& options) {
  if (classes.size() < 2 || options.num_times < kMinDraws)
    throw UsageError({.where = "ELBO classifier",
                      .what = "a comparison takes two class prompts and two draws at least",
                      .got = std::to_string(classes.size()) + " prompts, " +
                             std::to_string(options.num_times) + " draws",
                      .expected = "",
                      .hint = ""});
  const int64_t num_images = images.size(0);
  ElboClassification result{
      .losses = at::empty({num_images, static_cast<int64_t>(classes.size())}, at::kDouble),
      .margin_errors = at::empty({num_images}, at::kDouble),
      .predicted = {}};
  for_each_chunk(num_images, options, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const at::Tensor losses = losses_of_image(denoiser, images, i, classes, options);
      result.losses[i] = losses.mean(0);
      const at::Tensor order = losses.mean(0).argsort();
      const at::Tensor difference = losses.index_select(1, order.slice(0, 1, 2)) -
                                    losses.index_select(1, order.slice(0, 0, 1));
      result.margin_errors[i] =
          difference.std() / std::sqrt(static_cast<double>(options.num_times));
    }
  });
  result.predicted = result.losses.argmin(1);
  return result;
}

int64_t elbo_passes(size_t num_classes, const ElboOptions& options) {
  return static_cast<int64_t>(num_classes) * options.num_times;
}

int64_t elbo_draws_for(int64_t forward_passes, size_t num_classes) {
  const auto per_draw = static_cast<int64_t>(num_classes);
  return std::max(kMinDraws, (forward_passes + per_draw - 1) / per_draw);
}

}  // namespace equipoise::audit
