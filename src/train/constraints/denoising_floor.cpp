#include "train/constraints/denoising_floor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/check.h"
#include "core/error.h"

namespace equipoise::train {
namespace {

constexpr int64_t kChunk = 64;

at::Tensor rows_of(const at::Tensor& items) {
  return items.to(at::kCPU, at::kDouble).flatten(1);
}

}  // namespace

Floor denoising_floor(const at::Tensor& images, const diffusion::NoisyBatch& draws,
                      const at::Tensor& labels, const at::Tensor& draw_labels) {
  const at::Tensor rows = rows_of(images), noisy = rows_of(draws.noisy);
  const int64_t num_images = rows.size(0), num_draws = noisy.size(0), elements = rows.size(1);
  check_shape(noisy, {num_draws, elements}, "draws of the floor");
  check_shape(draws.sigma, {num_draws}, "sigma");
  EQUIPOISE_ASSERT(labels.defined() == draw_labels.defined());
  if (labels.defined()) {
    check_shape(labels, {num_images}, "labels");
    check_shape(draw_labels, {num_draws}, "labels of the draws");
  }
  const at::Tensor squares = rows.square().sum(1);
  const at::Tensor variance = draws.sigma.to(at::kCPU, at::kDouble).square().unsqueeze(1);
  std::vector<at::Tensor> spread;
  for (int64_t begin = 0; begin < num_draws; begin += kChunk) {
    const int64_t end = std::min(num_draws, begin + kChunk);
    // -|x - y|^2 / 2 sigma^2 but for what all images share.
    at::Tensor logits =
        (noisy.slice(0, begin, end).matmul(rows.t()) - squares / 2) / variance.slice(0, begin, end);
    if (labels.defined())
      logits.masked_fill_(draw_labels.slice(0, begin, end).unsqueeze(1).ne(labels.unsqueeze(0)),
                          -std::numeric_limits<double>::infinity());
    const at::Tensor posterior = logits.softmax(1);
    const at::Tensor mean = posterior.matmul(rows);
    spread.push_back((posterior.matmul(squares) - mean.square().sum(1)).clamp_min_(0));
  }
  const at::Tensor losses =
      at::cat(spread) * draws.loss_weight.to(at::kCPU, at::kDouble) / static_cast<double>(elements);
  const double error = num_draws > 1
                           ? losses.std().item<double>() / std::sqrt(static_cast<double>(num_draws))
                           : std::numeric_limits<double>::infinity();
  return {.value = losses.mean().item<double>(), .standard_error = error};
}

}  // namespace equipoise::train
