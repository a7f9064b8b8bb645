#include "metrics/features.h"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "core/check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "data/image_set.h"

namespace equipoise::metrics {
namespace {

constexpr int64_t kChunkImages = 64;

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

/// Hands on chunks in their order, one at a time; those that come early wait.
class InOrder {
 public:
  using Receiver = std::function<void(const Features&)>;
  InOrder(Receiver receive, Progress& progress)
      : receive_(std::move(receive)), progress_(progress) {}

  void put(int64_t number, Features chunk) {
    const std::lock_guard lock(mutex_);
    waiting_.emplace(number, std::move(chunk));
    for (auto first = waiting_.begin(); first != waiting_.end() && first->first == next_;
         first = waiting_.erase(first), ++next_) {
      receive_(first->second);
      progress_.update(num_done_ += first->second.features.size(0));
    }
  }

 private:
  Receiver receive_;
  Progress& progress_;
  std::mutex mutex_;
  std::map<int64_t, Features> waiting_;
  int64_t next_ = 0;
  int64_t num_done_ = 0;
};

void for_each_chunk(const FeatureFunction& function, const at::Tensor& images,
                    const FeatureOptions& options, const InOrder::Receiver& receive) {
  check_images(images);
  Progress silent;
  Progress& progress = options.progress ? *options.progress : silent;
  progress.begin("features", images.size(0), "images");
  InOrder chunks(receive, progress);
  std::atomic<int64_t> next{0};
  run_workers(options.num_workers, [&](int64_t) {
    const at::NoGradGuard no_grad;
    for (int64_t i = next++; i * kChunkImages < images.size(0); i = next++)
      chunks.put(i, function(images.slice(0, i * kChunkImages, (i + 1) * kChunkImages)));
  });
  progress.end();
}

}  // namespace

at::Tensor Features::predicted_groups() const {
  return logits.argmax(1);
}

FeatureFunction feature_function(nets::ClassifierNetwork& classifier) {
  return [&classifier](const at::Tensor& images) {
    const at::Tensor features = classifier.features(data::normalised(images));
    return Features{.features = features, .logits = classifier.logits_of_features(features)};
  };
}

FeatureFunction feature_function(const nets::FeatureExtractor& extractor) {
  return [&extractor](const at::Tensor& images) {
    Features chunk{.features = extractor.features(images), .logits = {}};
    if (extractor.has_logits()) chunk.logits = extractor.logits_of_features(chunk.features);
    return chunk;
  };
}

Features extract_features(const FeatureFunction& function, const at::Tensor& images,
                          const FeatureOptions& options) {
  std::vector<at::Tensor> features, logits;
  for_each_chunk(function, images, options, [&](const Features& chunk) {
    features.push_back(chunk.features);
    if (chunk.logits.defined()) logits.push_back(chunk.logits);
  });
  Features result{.features = at::cat(features),
                  .logits = logits.empty() ? at::Tensor() : at::cat(logits)};
  check_finite(result.features, "features");
  return result;
}

Features extract_features(nets::ClassifierNetwork& classifier, const at::Tensor& images,
                          const FeatureOptions& options) {
  return extract_features(feature_function(classifier), images, options);
}

FeatureMoments extract_moments(const FeatureFunction& function, const at::Tensor& images,
                               const FeatureOptions& options) {
  std::optional<FeatureMoments> moments;
  for_each_chunk(function, images, options, [&](const Features& chunk) {
    if (!moments) moments.emplace(chunk.features.size(1));
    moments->add(chunk.features);
  });
  return *moments;
}

}  // namespace equipoise::metrics
