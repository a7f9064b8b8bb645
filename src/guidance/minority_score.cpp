#include "guidance/minority_score.h"

#include <atomic>
#include <mutex>

#include <fmt/format.h>

#include "core/check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "data/image_set.h"

namespace equipoise::guidance {
namespace {

constexpr int64_t kChunkImages = 16;

at::Tensor score_chunk(const diffusion::Denoiser& denoiser, const at::Tensor& clean,
                       const at::Tensor& numbers, const RestorationDistance& distance,
                       const MinorityScoreConfig& config, uint64_t seed) {
  const at::Tensor sigma = at::full({clean.size(0)}, config.sigma, at::kDouble);
  at::Tensor sum = at::zeros({clean.size(0)}, at::kDouble);
  for (int64_t draw = 0; draw < config.draws; ++draw) {
    const at::Tensor noise = random_normal(seed, Purpose::kEvaluation, numbers,
                                           clean.sizes().slice(1), static_cast<uint32_t>(draw));
    at::Tensor restored = denoiser.denoise(clean + config.sigma * noise, sigma).to(at::kFloat);
    if (config.clip) restored = restored.clamp(-1, 1);
    sum += distance.measure(clean, restored).to(at::kDouble);
  }
  return sum / static_cast<double>(config.draws);
}

}  // namespace

RestorationDistance squared_error() {
  return {.name = "squared error", .measure = [](const at::Tensor& a, const at::Tensor& b) {
            return (a - b).square().flatten(1).sum(1);
          }};
}

at::Tensor minority_scores(const diffusion::Denoiser& denoiser, const at::Tensor& images,
                           const RestorationDistance& distance, const MinorityScoreConfig& config,
                           uint64_t seed, int64_t num_workers, Progress& progress) {
  const int64_t total = images.size(0);
  at::Tensor scores = at::zeros({total}, at::kDouble);
  std::atomic<int64_t> next{0};
  std::mutex mutex;
  int64_t num_done = 0;
  progress.begin("minority scores", total, "images");
  run_workers(num_workers, [&](int64_t) {
    const at::NoGradGuard no_grad;
    for (int64_t start = next.fetch_add(kChunkImages); start < total && !progress.stop_requested();
         start = next.fetch_add(kChunkImages)) {
      const int64_t end = std::min(start + kChunkImages, total);
      // A last chunk of another size would be computed by other kernels.
      const at::Tensor numbers = at::arange(start, start + kChunkImages, at::kLong);
      const at::Tensor raw = images.index_select(0, numbers.clamp_max(total - 1));
      const at::Tensor chunk =
          score_chunk(denoiser, data::normalised(raw), numbers, distance, config, seed);
      const std::lock_guard lock(mutex);
      scores.slice(0, start, end).copy_(chunk.slice(0, 0, end - start));
      progress.update(num_done += end - start);
    }
  });
  progress.end();
  check_finite(scores, "minority scores");
  return scores;
}

MinorityBins minority_bins(const at::Tensor& scores, int64_t num_bins) {
  check_shape(scores, {kAny}, "scores");
  if (num_bins < 2 || num_bins > scores.size(0))
    throw UsageError({.where = "minority bins",
                      .what = "no such number of bins",
                      .got = std::to_string(num_bins),
                      .expected = fmt::format("2 to {}, the number of scores", scores.size(0)),
                      .hint = ""});
  const at::Tensor values = scores.to(at::kDouble).contiguous();
  const at::Tensor shares =
      at::arange(1, num_bins + 1, at::kDouble) / static_cast<double>(num_bins);
  const at::Tensor thresholds = at::quantile(values, shares);
  MinorityBins bins;
  bins.labels = at::searchsorted(thresholds.slice(0, 0, num_bins - 1).contiguous(), values);
  bins.labels.masked_fill_(values == values.max(), num_bins - 1);
  bins.thresholds.assign(thresholds.data_ptr<double>(), thresholds.data_ptr<double>() + num_bins);
  const at::Tensor sizes = at::bincount(bins.labels, {}, num_bins);
  bins.sizes.assign(sizes.data_ptr<int64_t>(), sizes.data_ptr<int64_t>() + num_bins);
  return bins;
}

}  // namespace equipoise::guidance
