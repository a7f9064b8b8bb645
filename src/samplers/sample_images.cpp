#include "samplers/sample_images.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"

namespace equipoise::samplers {
namespace {

std::vector<int64_t> samples_shape(const SampleRequest& request) {
  std::vector<int64_t> shape{request.seeds.size(0)};
  shape.insert(shape.end(), request.item_shape.begin(), request.item_shape.end());
  return shape;
}

/// Calls another denoiser with exactly `chunk_size` rows each time: matrix products pick their
/// kernels by size, and another kernel rounds differently.
class FixedChunkDenoiser : public diffusion::Denoiser {
 public:
  FixedChunkDenoiser(const diffusion::Denoiser& inner, int64_t chunk_size)
      : inner_(inner), chunk_size_(chunk_size) {}

  at::Tensor denoise(const at::Tensor& x, const at::Tensor& sigma,
                     const diffusion::Conditions& conditions) const override {
    std::vector<at::Tensor> denoised;
    for (int64_t start = 0; start < x.size(0); start += chunk_size_) {
      // The last chunk is filled up with copies of the last row.
      const at::Tensor positions =
          at::arange(start, start + chunk_size_, x.options().dtype(at::kLong));
      const at::Tensor rows = positions.clamp_max(x.size(0) - 1);
      const auto pick = [&](const at::Tensor& values) {
        return values.defined() ? values.index_select(0, rows) : values;
      };
      const at::Tensor chunk = inner_.denoise(pick(x), pick(sigma),
                                              {.class_labels = pick(conditions.class_labels),
                                               .augment_labels = pick(conditions.augment_labels)});
      denoised.push_back(chunk.slice(0, 0, std::min(chunk_size_, x.size(0) - start)));
    }
    return at::cat(denoised);
  }
  double sigma_min() const override { return inner_.sigma_min(); }
  double sigma_max() const override { return inner_.sigma_max(); }
  at::Tensor round_sigma(const at::Tensor& sigma) const override {
    return inner_.round_sigma(sigma);
  }

 private:
  const diffusion::Denoiser& inner_;
  int64_t chunk_size_;
};

/// Hands out batches in order and keeps the results.
class BatchQueue {
 public:
  BatchQueue(const diffusion::Denoiser& denoiser, const Sampler& sampler,
             const SampleRequest& request, const SampleOptions& options, Progress& progress)
      : denoiser_(denoiser, options.chunk_size),
        sampler_(sampler),
        request_(request),
        device_(options.device),
        batch_size_((options.batch_size + options.chunk_size - 1) / options.chunk_size *
                    options.chunk_size),
        progress_(progress) {
    samples_ = at::empty(samples_shape(request), at::kFloat);
  }

  int64_t num_batches() const { return (num_images() + batch_size_ - 1) / batch_size_; }

  /// What each worker does until no batch is left.
  void work() {
    while (true) {
      const int64_t start = take_batch();
      if (start >= num_images()) return;
      const int64_t end = std::min(start + batch_size_, num_images());
      try {
        samples_.slice(0, start, end).copy_(sample_batch(start, end));
      } catch (...) {
        abandon();
        throw;
      }
      const std::lock_guard lock(mutex_);
      num_done_ += end - start;
      progress_.update(num_done_);
    }
  }

  /// Every batch that was handed out is done once the workers have ended, so the finished rows are
  /// the first ones.
  at::Tensor finished_samples() const { return samples_.slice(0, 0, num_done_); }

 private:
  int64_t num_images() const { return request_.seeds.size(0); }

  /// First image of the next batch; num_images() when there is none or the user asked to stop.
  int64_t take_batch() {
    const std::lock_guard lock(mutex_);
    if (progress_.stop_requested()) return num_images();
    const int64_t start = next_;
    next_ = std::min(next_ + batch_size_, num_images());
    return start;
  }

  /// Leaves nothing for the other workers once one has failed.
  void abandon() {
    const std::lock_guard lock(mutex_);
    next_ = num_images();
  }

  at::Tensor sample_batch(int64_t start, int64_t end) const {
    const auto rows = [&](const at::Tensor& values) {
      return values.defined() ? values.slice(0, start, end).to(device_) : values;
    };
    SamplingInput input;
    input.seeds = request_.seeds.slice(0, start, end);
    input.seed_base = request_.seed_base;
    input.latents = rows(request_.latents);
    if (!input.latents.defined()) {
      input.latents =
          random_normal(request_.seed_base, Purpose::kLatent, input.seeds, request_.item_shape)
              .to(device_);
    }
    input.conditions.class_labels = rows(request_.class_labels);
    return sampler_.sample(denoiser_, input);
  }

  FixedChunkDenoiser denoiser_;
  const Sampler& sampler_;
  const SampleRequest& request_;
  at::Device device_;
  int64_t batch_size_;
  Progress& progress_;
  at::Tensor samples_;
  std::mutex mutex_;
  int64_t next_ = 0;
  int64_t num_done_ = 0;
};

void check_request(const SampleRequest& request, const SampleOptions& options) {
  check_shape(request.seeds, {kAny}, "seeds");
  check_range(static_cast<double>(options.batch_size), 1, 1e9, "batch_size");
  check_range(static_cast<double>(options.num_threads), 1, 4096, "num_threads");
  check_range(static_cast<double>(options.chunk_size), 1, 1e6, "chunk_size");
  const int64_t num_images = request.seeds.size(0);
  if (request.class_labels.defined())
    check_shape(request.class_labels, {num_images, kAny}, "class_labels");
  if (request.latents.defined() &&
      request.latents.sizes() != at::IntArrayRef(samples_shape(request))) {
    throw UsageError({.where = "latents",
                      .what = "wrong shape",
                      .got = describe(request.latents),
                      .expected = "one latent of the image's shape for each seed",
                      .hint = ""});
  }
}

}  // namespace

at::Tensor sample_images(const diffusion::Denoiser& denoiser, const Sampler& sampler,
                         const SampleRequest& request, const SampleOptions& options,
                         Progress& progress) {
  check_request(request, options);
  BatchQueue queue(denoiser, sampler, request, options, progress);
  progress.begin("sampling", request.seeds.size(0), "images");
  const int64_t num_workers = std::clamp<int64_t>(queue.num_batches(), 1, options.num_threads);
  run_workers(num_workers, [&queue](int64_t) { queue.work(); });
  progress.end();
  return queue.finished_samples();
}

at::Tensor to_uint8(const at::Tensor& images) {
  return (images.to(at::kDouble) * 127.5 + 128).clamp(0, 255).to(at::kByte);
}

}  // namespace equipoise::samplers
