#include "metrics/features.h"

#include <atomic>
#include <mutex>
#include <vector>

#include <ATen/ATen.h>

#include "core/check.h"
#include "core/error.h"
#include "core/parallel.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kChunkImages = 64;

struct Chunk {
  at::Tensor features;
  at::Tensor logits;
};

Chunk run_chunk(nets::ClassifierNetwork& classifier, const at::Tensor& images) {
  Chunk chunk;
  const bool is_pixels = images.scalar_type() == at::kByte;
  chunk.features =
      classifier.features(is_pixels ? images.to(at::kFloat).div_(127.5).sub_(1) : images);
  chunk.logits = classifier.logits_of_features(chunk.features);
  return chunk;
}

void check_images(const at::Tensor& images) {
  const bool is_pixels = images.dim() == 4 && images.scalar_type() == at::kByte;
  const bool is_vectors = images.dim() == 2 && images.scalar_type() == at::kFloat;
  if ((is_pixels || is_vectors) && images.size(0) > 0) return;
  throw UsageError({.where = "images",
                    .what = "features are taken of uint8 images or float vectors, one at least",
                    .got = describe(images),
                    .expected = "[N, C, H, W] Byte or [N, D] Float",
                    .hint = ""});
}

Features join(const std::vector<Chunk>& chunks) {
  std::vector<at::Tensor> features;
  std::vector<at::Tensor> logits;
  for (const Chunk& chunk : chunks) {
    features.push_back(chunk.features);
    logits.push_back(chunk.logits);
  }
  return {.features = at::cat(features), .logits = at::cat(logits)};
}

}  // namespace

at::Tensor Features::predicted_groups() const {
  return logits.argmax(1);
}

Features extract_features(nets::ClassifierNetwork& classifier, const at::Tensor& images,
                          const FeatureOptions& options) {
  check_images(images);
  Progress silent;
  Progress& progress = options.progress ? *options.progress : silent;
  progress.begin("features", images.size(0), "images");
  std::vector<Chunk> chunks((images.size(0) + kChunkImages - 1) / kChunkImages);
  std::atomic<size_t> next{0};
  std::mutex progress_mutex;
  int64_t num_done = 0;
  run_workers(options.num_workers, [&](int64_t) {
    const at::NoGradGuard no_grad;
    for (size_t i = next++; i < chunks.size(); i = next++) {
      const at::Tensor part = images.slice(0, i * kChunkImages, (i + 1) * kChunkImages);
      chunks[i] = run_chunk(classifier, part);
      const std::lock_guard lock(progress_mutex);
      progress.update(num_done += part.size(0));
    }
  });
  progress.end();
  Features result = join(chunks);
  check_finite(result.features, "features");
  return result;
}

}  // namespace equipoise::metrics
