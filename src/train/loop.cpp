#include "train/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "core/libtorch.h"
#include "core/parallel.h"
#include "train/adam.h"
#include "train/checkpoint.h"

namespace equipoise::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Gradient of the batch's mean loss, lane by lane. It is put together in parts, as they are asked
/// for; whole only where it has to be.
class BatchGradient {
 public:
  BatchGradient(const TrainingTask& task, const FlatParameters& parameters,
                const LoopConfig& config, const ProcessGroup& processes)
      : task_(task), parameters_(parameters), config_(config), processes_(processes) {
    if (!parameters.values().is_cpu() || processes.size() > 1)
      whole_ = at::empty_like(parameters.values());
    lanes_.resize(static_cast<size_t>(config.lanes));
    lane_losses_.resize(lanes_.size());
  }

  /// Returns the sum of the losses; part() gives the mean's gradient until release().
  double compute(int64_t first, int64_t batch_size) {
    divisor_ = static_cast<double>(batch_size);
    const int64_t num_parts =
        (batch_size + config_.micro_batch_size - 1) / config_.micro_batch_size;
    const int64_t first_lane = config_.lanes * processes_.rank(),
                  num_lanes = config_.lanes * processes_.size();
    run_workers(config_.lanes, [&](int64_t lane) {
      lane_losses_[lane] = 0;
      lanes_[lane].assign(parameters_.parameters().size(), at::Tensor());
      for (int64_t part = first_lane + lane; part < num_parts; part += num_lanes) {
        const int64_t offset = part * config_.micro_batch_size;
        add_part(lane, first + offset, std::min(config_.micro_batch_size, batch_size - offset));
      }
    });
    if (whole_.defined()) {
      parameters_.average_gradients(lanes_, divisor_, 0, whole_);
      release();
    }
    const double loss = std::accumulate(lane_losses_.begin(), lane_losses_.end(), 0.0);
    if (processes_.size() == 1) return loss;
    processes_.sum(whole_);
    const at::Tensor total = at::full({1}, loss, at::kDouble);
    processes_.sum(total);
    return total.item<double>();
  }
  at::Tensor part(int64_t begin, int64_t end) const {
    if (whole_.defined()) return whole_.slice(0, begin, end);
    const at::Tensor part = at::empty({end - begin}, parameters_.values().options());
    parameters_.average_gradients(lanes_, divisor_, begin, part);
    return part;
  }
  void release() {
    for (auto& gradients : lanes_) gradients.clear();
  }

 private:
  void add_part(int64_t lane, int64_t first, int64_t count) {
    const at::Tensor loss = task_.loss_sum(first, count);
    const auto gradients =
        torch::autograd::grad({loss}, parameters_.parameters(), {}, /*retain_graph=*/c10::nullopt,
                              /*create_graph=*/false, /*allow_unused=*/true);
    torch::NoGradGuard no_grad;
    for (size_t i = 0; i < gradients.size(); ++i) {
      at::Tensor& sum = lanes_[lane][i];
      // Not in place: autograd may give several parameters the same tensor.
      if (gradients[i].defined()) sum = sum.defined() ? sum + gradients[i] : gradients[i];
    }
    lane_losses_[lane] += loss.item<double>();
  }

  const TrainingTask& task_;
  const FlatParameters& parameters_;
  const LoopConfig& config_;
  const ProcessGroup& processes_;
  at::Tensor whole_;                            ///< on a device, or of several processes
  std::vector<std::vector<at::Tensor>> lanes_;  ///< while a step is made
  double divisor_ = 1;
  std::vector<double> lane_losses_;
};

class Loop {
 public:
  Loop(const TrainingTask& task, std::vector<at::Tensor> parameters, const LoopConfig& config,
       const LoopHooks& hooks, std::string stage, Progress& progress)
      : task_(task),
        config_(config.settled(parameters.at(0).device())),
        hooks_(hooks),
        stage_(std::move(stage)),
        progress_(progress),
        parameters_(std::move(parameters)),
        adam_(parameters_.values()),
        best_(keeps_best() ? parameters_.values().clone() : adam_.average),
        gradient_(task, parameters_, config_, *hooks.processes) {}

  TrainResult run() {
    if (hooks_.resume && !hooks_.checkpoint.empty() && std::filesystem::exists(hooks_.checkpoint))
      restore();
    const double seconds_before = counters_.seconds;
    const Clock::time_point start = Clock::now();
    Clock::time_point last_checkpoint = start;
    progress_.begin(stage_, config_.images, "img");
    while (!is_done() && !hooks_.processes->any(progress_.stop_requested())) {
      step();
      counters_.seconds = seconds_before + seconds_since(start);
      progress_.update(counters_.images, fmt::format("loss {:.4g}", mean_loss()));
      if (counters_.images / config_.tick_images !=
              (counters_.images - last_step_) / config_.tick_images ||
          counters_.images >= config_.images)
        tick();
      if (hooks_.processes->any(hooks_.processes->rank() == 0 &&
                                seconds_since(last_checkpoint) >= config_.checkpoint_sec)) {
        save();
        last_checkpoint = Clock::now();
      }
    }
    progress_.end();
    save();
    const bool use_best = keeps_best();
    {
      torch::NoGradGuard no_grad;
      parameters_.values().copy_(use_best ? best_ : adam_.average);
    }
    return {.images = counters_.images,
            .snapshot_images = use_best ? counters_.best_images : counters_.images,
            .heldout_loss = use_best ? counters_.best_loss
                                     : (curve_.empty() ? std::nan("") : curve_.back().heldout_loss),
            .seconds = counters_.seconds,
            .bad_steps = counters_.bad_steps,
            .interrupted = !is_done(),
            .curve = curve_};
  }

 private:
  bool keeps_best() const { return config_.snapshot == "best"; }

  bool is_done() const {
    if (counters_.images >= config_.images) return true;
    const auto is_worse = [&](const Tick& tick) {
      return tick.images > counters_.best_images && !std::isnan(tick.heldout_loss);
    };
    return config_.patience > 0 &&
           std::count_if(curve_.begin(), curve_.end(), is_worse) >= config_.patience;
  }

  void step() {
    last_step_ = std::min(config_.batch_size, config_.images - counters_.images);
    const double loss = gradient_.compute(counters_.images, last_step_);
    const bool is_finite = std::isfinite(loss);
    if (is_finite) {
      counters_.loss_sum += loss;
      counters_.loss_images += last_step_;
    }
    const double decay = diffusion::ema_decay(config_.ema, last_step_, counters_.images);
    const int64_t first = counters_.images;
    counters_.images += last_step_;
    const int64_t num_bad = adam_step(
        {.weight_decay = config_.weight_decay,
         .decoupled_weight_decay = config_.decoupled_weight_decay},
        rate(), decay, [this](int64_t begin, int64_t end) { return gradient_.part(begin, end); },
        parameters_.values(), adam_, config_.lanes);
    gradient_.release();
    for (const auto& companion : hooks_.companions) companion->step_done(first, last_step_);
    const bool is_bad = num_bad > 0 || !is_finite;
    counters_.bad_steps += is_bad;
    counters_.bad_in_a_row = is_bad ? counters_.bad_in_a_row + 1 : 0;
    if (counters_.bad_in_a_row >= config_.max_bad_steps)
      throw NumericError(
          {.where = stage_,
           .what = fmt::format("{} steps in a row had gradients that are not finite",
                               counters_.bad_in_a_row),
           .got = fmt::format("{} bad elements at image {}", num_bad, counters_.images),
           .expected = "finite gradients",
           .hint = "Try a smaller train.learning_rate; the last checkpoint is kept"});
  }

  double rate() const {
    const double seen = static_cast<double>(counters_.images),
                 all = static_cast<double>(config_.images);
    const double up = config_.ramp_images > 0
                          ? std::min(1.0, seen / static_cast<double>(config_.ramp_images))
                          : 1.0;
    const double down =
        config_.cool_down ? std::min(1.0, 3 * (1 - (seen - static_cast<double>(last_step_)) / all))
                          : 1.0;
    return config_.learning_rate * up * down;
  }

  void tick() {
    Tick tick{.images = counters_.images, .loss = mean_loss()};
    look_at_average(tick);
    for (const auto& companion : hooks_.companions)
      tick.notes.update(companion->at_tick(counters_.images));
    counters_.loss_sum = 0;
    counters_.loss_images = 0;
    curve_.push_back(tick);
    if (tick.heldout_loss < counters_.best_loss) {
      counters_.best_loss = tick.heldout_loss;
      counters_.best_images = tick.images;
      if (keeps_best()) best_.copy_(adam_.average);
    }
    if (hooks_.on_tick) hooks_.on_tick(tick);
  }

  /// Since the last tick; NaN when no step since then had a finite loss.
  double mean_loss() const {
    return counters_.loss_sum / static_cast<double>(counters_.loss_images);
  }

  void look_at_average(Tick& tick) {
    torch::NoGradGuard no_grad;
    const at::Tensor current = parameters_.values().clone();
    parameters_.values().copy_(adam_.average);
    tick.heldout_loss = task_.heldout_loss();
    tick.notes = task_.preview(tick.images);
    parameters_.values().copy_(current);
  }

  void save() {
    if (hooks_.checkpoint.empty()) return;
    nlohmann::json companions = nlohmann::json::array();
    for (const auto& companion : hooks_.companions) companions.push_back(companion->state());
    save_checkpoint(hooks_.checkpoint, {.values = parameters_.values(),
                                        .first_moment = adam_.first_moment,
                                        .second_moment = adam_.second_moment,
                                        .average = adam_.average,
                                        .best = best_,
                                        .num_steps = adam_.num_steps,
                                        .counters = counters_,
                                        .curve = curve_,
                                        .companions = std::move(companions),
                                        .recipe = recipe()});
  }

  void restore() {
    Checkpoint state = load_checkpoint(hooks_.checkpoint, recipe(), parameters_.size());
    torch::NoGradGuard no_grad;
    parameters_.values().copy_(state.values);
    adam_.first_moment.copy_(state.first_moment);
    adam_.second_moment.copy_(state.second_moment);
    adam_.average.copy_(state.average);
    if (keeps_best()) best_.copy_(state.best);
    adam_.num_steps = state.num_steps;
    counters_ = state.counters;
    curve_ = std::move(state.curve);
    if (state.companions.size() != hooks_.companions.size())
      throw UsageError({.where = hooks_.checkpoint.string(),
                        .what = "this checkpoint was written with other companions of the training",
                        .got = fmt::format("{}", hooks_.companions.size()),
                        .expected = fmt::format("{}", state.companions.size()),
                        .hint = "Resume with the settings of the first start"});
    for (size_t i = 0; i < hooks_.companions.size(); ++i)
      hooks_.companions[i]->restore(state.companions[i]);
    if (hooks_.on_tick)
      for (const Tick& tick : curve_) hooks_.on_tick(tick);
  }

  /// What must not change between sessions of one run.
  nlohmann::json recipe() const {
    nlohmann::json recipe = to_json_object();
    recipe.erase("checkpoint_sec");
    if (hooks_.processes->size() > 1) recipe["processes"] = hooks_.processes->size();
    return recipe;
  }
  nlohmann::json to_json_object() const {
    return nlohmann::json::parse(equipoise::to_json(config_).dump());
  }

  const TrainingTask& task_;
  const LoopConfig config_;
  const LoopHooks& hooks_;
  const std::string stage_;
  Progress& progress_;
  FlatParameters parameters_;
  AdamState adam_;
  at::Tensor best_;  ///< the average itself where the last snapshot is kept
  BatchGradient gradient_;
  LoopCounters counters_;
  int64_t last_step_ = 0;
  std::vector<Tick> curve_;
};

}  // namespace

LoopConfig LoopConfig::settled(at::Device device) const {
  LoopConfig config = *this;
  if (micro_batch_size == 0) config.micro_batch_size = device.is_cpu() ? 16 : batch_size;
  if (lanes == 0) config.lanes = device.is_cpu() ? 2 : 1;
  return config;
}

TrainResult run_loop(const TrainingTask& task, std::vector<at::Tensor> parameters,
                     const LoopConfig& config, const LoopHooks& hooks, const std::string& stage,
                     Progress& progress) {
  return Loop(task, std::move(parameters), config, hooks, stage, progress).run();
}

nlohmann::json to_json(const std::vector<Tick>& curve) {
  nlohmann::json list = nlohmann::json::array();
  for (const Tick& tick : curve) {
    nlohmann::json entry{
        {"images", tick.images}, {"loss", tick.loss}, {"heldout_loss", tick.heldout_loss}};
    entry.update(tick.notes);
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace equipoise::train
