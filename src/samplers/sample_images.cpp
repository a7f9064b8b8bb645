#include "samplers/sample_images.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/random.h"
#include "diffusion/fixed_chunks.h"
#include "nets/ops.h"

namespace equipoise::samplers {
namespace {

std::vector<int64_t> samples_shape(const SampleRequest& request) {
  std::vector<int64_t> shape{request.seeds.size(0)};
  shape.insert(shape.end(), request.item_shape.begin(), request.item_shape.end());
  return shape;
}

at::Tensor join_defined(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() ? at::cat({a, b}) : b;
}

Walkers join(const Walkers& a, const Walkers& b) {
  return {.x = at::cat({a.x, b.x}),
          .level = at::cat({a.level, b.level}),
          .num_taken = at::cat({a.num_taken, b.num_taken}),
          .memory = join_defined(a.memory, b.memory),
          .memory_level = join_defined(a.memory_level, b.memory_level),
          .seeds = at::cat({a.seeds, b.seeds}),
          .seed_base = a.seed_base,
          .conditions = {.class_labels =
                             join_defined(a.conditions.class_labels, b.conditions.class_labels)}};
}

/// The images still to be made and those that are done, shared by all workers.
class Orders {
 public:
  Orders(const SampleRequest& request, at::Device device, Progress& progress)
      : request_(request), device_(device), progress_(progress) {
    result_.images = at::empty(samples_shape(request), at::kFloat);
    result_.total_calls = at::zeros({request.seeds.size(0)}, at::kLong);
    result_.last_calls = at::zeros({request.seeds.size(0)}, at::kLong);
  }

  /// Up to `count` row numbers of the request [n]; none when all are taken or the user asked to
  /// stop.
  at::Tensor take(int64_t count) {
    const std::lock_guard lock(mutex_);
    if (progress_.stop_requested()) return at::empty({0}, at::kLong);
    const int64_t end = std::min(next_ + count, request_.seeds.size(0));
    const at::Tensor rows = at::arange(next_, end, at::kLong);
    next_ = end;
    return rows;
  }

  /// Images of these rows at the first level, whose noise is `sigma`.
  Walkers begin(const at::Tensor& rows, const at::Tensor& sigma) const {
    using diffusion::pick_rows;
    const at::Tensor seeds = request_.seeds.index_select(0, rows);
    const at::Tensor latents =
        request_.latents.defined()
            ? pick_rows(request_.latents, rows)
            : random_normal(request_.seed_base, Purpose::kLatent, seeds, request_.item_shape);
    const at::Tensor zeros =
        at::zeros({rows.size(0)}, at::TensorOptions(at::kLong).device(device_));
    at::Tensor labels = pick_rows(request_.class_labels, rows);
    if (labels.defined()) labels = labels.to(device_);
    return {.x = latents.to(device_, at::kDouble) * sigma,
            .level = zeros,
            .num_taken = zeros.clone(),
            .seeds = seeds,
            .seed_base = request_.seed_base,
            .conditions = {.class_labels = labels}};
  }

  void deliver(const at::Tensor& rows, const Walkers& finished, const at::Tensor& total_calls,
               const at::Tensor& last_calls) {
    const std::lock_guard lock(mutex_);
    result_.images.index_copy_(0, rows, finished.x.to(at::kCPU, at::kFloat));
    result_.total_calls.index_copy_(0, rows, total_calls.to(at::kCPU));
    result_.last_calls.index_copy_(0, rows, last_calls.to(at::kCPU));
    num_done_ += rows.size(0);
    progress_.update(num_done_);
  }

  /// Adds what a worker counted.
  void add(const RejectionCounts& counts, int64_t steps_taken, int64_t steps_offered) {
    const std::lock_guard lock(mutex_);
    result_.rejection += counts;
    steps_taken_ += steps_taken;
    steps_offered_ += steps_offered;
  }

  /// Leaves nothing for the other workers once one has failed.
  void abandon() {
    const std::lock_guard lock(mutex_);
    next_ = request_.seeds.size(0);
  }

  /// Every image that was handed out is done once the workers have ended, so the finished rows are
  /// the first ones.
  SampleResult result() const {
    SampleResult result = result_;
    result.images = result.images.slice(0, 0, num_done_);
    result.total_calls = result.total_calls.slice(0, 0, num_done_);
    result.last_calls = result.last_calls.slice(0, 0, num_done_);
    if (steps_offered_ > 0)
      result.occupancy = static_cast<double>(steps_taken_) / static_cast<double>(steps_offered_);
    return result;
  }

 private:
  const SampleRequest& request_;
  at::Device device_;
  Progress& progress_;
  SampleResult result_;
  std::mutex mutex_;
  int64_t next_ = 0;
  int64_t num_done_ = 0;
  int64_t steps_taken_ = 0, steps_offered_ = 0;
};

/// One worker's images, each at its own level; a free place is taken by the next order.
class Slots {
 public:
  Slots(const diffusion::GuidedDenoiser& model, const Sampler& sampler, const Rejection* rejection,
        const at::Tensor& levels, int64_t capacity, Orders& orders)
      : model_(model),
        sampler_(sampler),
        rejection_(rejection),
        levels_(levels),
        capacity_(capacity),
        orders_(orders) {}

  void run() {
    const at::NoGradGuard no_grad;
    refill();
    while (size() > 0) {
      if (!is_drained_) {
        steps_taken_ += size();
        steps_offered_ += capacity_;
      }
      advance();
      deliver();
      refill();
    }
    orders_.add(counts_, steps_taken_, steps_offered_);
  }

 private:
  int64_t size() const { return rows_.defined() ? rows_.size(0) : 0; }

  void advance() {
    if (rejection_ == nullptr) {
      const at::Tensor calls = calls_of_steps(walkers_.level);
      sampler_.step(model_, levels_, walkers_);
      trials_.calls = trials_.calls + calls;
      return;
    }
    rejection_->start(levels_, model_.chunk_size(), walkers_, trials_, counts_);
    const Walkers before = walkers_;
    sampler_.step(model_, levels_, walkers_);
    rejection_->judge(levels_, model_.chunk_size(), before, walkers_, trials_, counts_);
  }

  at::Tensor calls_of_steps(const at::Tensor& level) const {
    at::Tensor calls = level.to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    for (int64_t i = 0; i < calls.size(0); ++i) {
      int64_t& value = calls.data_ptr<int64_t>()[i];
      value = sampler_.calls_of_step(value);
    }
    return calls.to(level.device());
  }

  void deliver() {
    const at::Tensor is_finished = walkers_.level == sampler_.num_steps();
    const at::Tensor finished = is_finished.nonzero().squeeze(1).to(at::kCPU);
    if (finished.size(0) == 0) return;
    const Trials done = pick(trials_, finished);
    orders_.deliver(rows_.index_select(0, finished), pick(walkers_, finished),
                    rejection_ == nullptr ? done.calls : done.total_calls, done.calls);
    const at::Tensor kept = is_finished.logical_not().nonzero().squeeze(1).to(at::kCPU);
    rows_ = rows_.index_select(0, kept);
    walkers_ = pick(walkers_, kept);
    trials_ = pick(trials_, kept);
  }

  void refill() {
    if (is_drained_ || size() == capacity_) return;
    const at::Tensor rows = orders_.take(capacity_ - size());
    is_drained_ = rows.size(0) < capacity_ - size();
    if (rows.size(0) == 0) return;
    const Walkers fresh = orders_.begin(rows, levels_[0]);
    const Trials fresh_trials = new_trials(rows.size(0), fresh.x.device());
    if (size() == 0) {
      rows_ = rows;
      walkers_ = fresh;
      trials_ = fresh_trials;
      return;
    }
    rows_ = at::cat({rows_, rows});
    walkers_ = join(walkers_, with_memory_like(walkers_, fresh));
    trials_ = join(trials_, fresh_trials);
  }

  /// Newcomers remember nothing, in the form their solver remembers.
  static Walkers with_memory_like(const Walkers& others, Walkers fresh) {
    if (!others.memory.defined()) return fresh;
    fresh.memory = at::zeros_like(fresh.x);
    fresh.memory_level = at::full_like(fresh.level, -1);
    return fresh;
  }

  const diffusion::GuidedDenoiser& model_;
  const Sampler& sampler_;
  const Rejection* rejection_;
  const at::Tensor& levels_;
  int64_t capacity_;
  Orders& orders_;
  bool is_drained_ = false;
  at::Tensor rows_;
  Walkers walkers_;
  Trials trials_;
  RejectionCounts counts_;
  int64_t steps_taken_ = 0, steps_offered_ = 0;
};

void check_request(const SampleRequest& request, const SampleOptions& options) {
  check_shape(request.seeds, {kAny}, "seeds");
  check_range(static_cast<double>(options.batch_size), 1, 1e9, "batch_size");
  check_range(static_cast<double>(options.num_threads), 1, 4096, "num_threads");
  check_range(static_cast<double>(options.chunk_size), 0, 1e6, "chunk_size");
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

int64_t rounded_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// How many workers for so many images, and how many each carries: no more than there is work for.
struct Crew {
  int64_t num_workers;
  int64_t capacity;
};

Crew make_crew(int64_t num_images, const SampleOptions& options) {
  const int64_t chunk = options.rows_per_call(),
                num_threads = options.device.is_cpu() ? options.num_threads : 1;
  const int64_t share = (num_images + num_threads - 1) / num_threads;
  const int64_t capacity = std::min(rounded_up(options.batch_size, chunk),
                                    rounded_up(std::max<int64_t>(share, 1), chunk));
  const int64_t num_workers = (num_images + capacity - 1) / capacity;
  return {std::clamp<int64_t>(num_workers, 1, num_threads), capacity};
}

}  // namespace

SampleResult sample_images(const diffusion::Denoiser& denoiser, const Sampler& sampler,
                           const SampleRequest& request, const SampleOptions& options,
                           Progress& progress, const diffusion::GuidedDenoiser::Terms& guidance,
                           const Rejection* rejection) {
  check_request(request, options);
  const nets::FrozenWeights frozen;
  const diffusion::GuidedDenoiser model(denoiser, guidance, options.rows_per_call());
  const at::Tensor levels = sampler.levels(denoiser).to(options.device);
  const Crew crew = make_crew(request.seeds.size(0), options);
  Orders orders(request, options.device, progress);
  progress.begin("sampling", request.seeds.size(0), "images");
  run_workers(crew.num_workers, [&](int64_t) {
    try {
      Slots(model, sampler, rejection, levels, crew.capacity, orders).run();
    } catch (...) {
      orders.abandon();
      throw;
    }
  });
  progress.end();
  SampleResult result = orders.result();
  result.network_calls = model.calls();
  return result;
}

RejectionTables measure_rejection_tables(const diffusion::Denoiser& denoiser,
                                         const Sampler& sampler,
                                         const diffusion::DensityRatio& ratio,
                                         const RejectionConfig& config,
                                         const SampleRequest& request, const SampleOptions& options,
                                         Progress& progress,
                                         const diffusion::GuidedDenoiser::Terms& guidance) {
  constexpr int64_t kFirstSeed = int64_t{1} << 40;
  const at::NoGradGuard no_grad;
  SampleRequest warmup{
      .seeds = at::arange(kFirstSeed, kFirstSeed + config.warmup_images, at::kLong),
      .item_shape = request.item_shape,
      .seed_base = request.seed_base};
  if (request.class_labels.defined())
    warmup.class_labels = request.class_labels.index_select(
        0, at::arange(config.warmup_images, at::kLong).remainder(request.class_labels.size(0)));
  const nets::FrozenWeights frozen;
  const diffusion::GuidedDenoiser model(denoiser, guidance, options.rows_per_call());
  const at::Tensor levels = sampler.levels(denoiser).to(options.device);
  const auto num_levels = static_cast<size_t>(sampler.num_steps()) + 1;
  std::vector<std::vector<double>> marginal(num_levels), transition(num_levels);
  std::mutex mutex;
  const Crew crew = make_crew(config.warmup_images, options);
  Orders orders(warmup, options.device, progress);

  const auto ratio_of = [&](const Walkers& walkers) {
    return diffusion::in_fixed_chunks(
        walkers.size(), options.rows_per_call(), [&](const at::Tensor& rows) {
          using diffusion::pick_rows;
          return std::vector<at::Tensor>{
              ratio
                  .log_ratio(pick_rows(walkers.x, rows),
                             levels.index_select(0, pick_rows(walkers.level, rows)),
                             pick_rows(walkers.conditions.class_labels, rows))
                  .to(at::kDouble)};
        })[0];
  };
  const auto note = [&](std::vector<double>& list, const at::Tensor& values) {
    const at::Tensor host = values.to(at::kCPU).contiguous();
    const std::lock_guard lock(mutex);
    list.insert(list.end(), host.data_ptr<double>(), host.data_ptr<double>() + host.numel());
  };

  progress.begin("rejection constants", config.warmup_images, "images");
  run_workers(crew.num_workers, [&](int64_t) {
    const at::NoGradGuard worker_no_grad;
    while (true) {
      const at::Tensor rows = orders.take(crew.capacity);
      if (rows.size(0) == 0) return;
      Walkers walkers = orders.begin(rows, levels[0]);
      at::Tensor last = ratio_of(walkers);
      note(marginal[0], last);
      note(transition[0], at::zeros_like(last));
      for (size_t level = 1; level < num_levels; ++level) {
        sampler.step(model, levels, walkers);
        const at::Tensor here = ratio_of(walkers);
        note(marginal[level], here);
        note(transition[level], here - last);
        last = here;
      }
      const at::Tensor none = at::zeros({rows.size(0)}, at::kLong);
      orders.deliver(rows, walkers, none, none);
    }
  });
  progress.end();
  return {.marginal = rejection_constants(marginal, config),
          .transition = rejection_constants(transition, config)};
}

at::Tensor to_uint8(const at::Tensor& images) {
  return (images.to(at::kDouble) * 127.5 + 128).clamp(0, 255).to(at::kByte);
}

}  // namespace equipoise::samplers
