// One training loop for every network: denoisers, discriminators, classifiers.
//
// A step takes images n … n + batch - 1 of the task, cut into micro-batches that are dealt to
// `lanes` in turn, those of all processes where there are several. Each lane adds up its gradients
// in order on a thread of its own and the lanes are added in order, then the processes, so the
// result depends on the config and their number alone, not on timing. All randomness
// hangs on image numbers; a resumed run therefore continues bit for bit.
#pragma once

#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/fields.h"
#include "core/process_group.h"
#include "core/progress.h"
#include "diffusion/ema.h"
#include "train/flat_parameters.h"

namespace equipoise::train {

struct LoopConfig {
  int64_t images = 200'000;
  int64_t batch_size = 64;
  int64_t micro_batch_size = 0;
  int64_t lanes = 0;
  double learning_rate = 1e-3;
  int64_t ramp_images = 10'000;
  bool cool_down = true;
  double weight_decay = 0;
  double decoupled_weight_decay = 0;
  diffusion::EmaConfig ema;
  int64_t tick_images = 10'000;
  std::string snapshot = "last";
  int64_t patience = 0;
  int64_t max_bad_steps = 20;
  double checkpoint_sec = 120;

  void fields(FieldVisitor& f) {
    f("images", images, "images", "training images shown in all (with repetition)", {1, 1e12});
    f("batch_size", batch_size, "images", "images a step", {1, 65536});
    f("micro_batch_size", micro_batch_size, "images",
      "images a network call; 0 = 16, which stay in a processor's cache, or a device's whole batch",
      {0, 65536});
    f("lanes", lanes, "count",
      "workers a batch is split over in each process, one thread each; part of the recipe; 0 = 2, "
      "or "
      "1 on a device",
      {0, 256});
    f("learning_rate", learning_rate, "", "Adam's step size after the ramp", {0, 10});
    f("ramp_images", ramp_images, "images", "the learning rate grows linearly over these",
      {0, 1e12});
    f("cool_down", cool_down, "",
      "let the learning rate fall linearly to zero over the last third");
    f("weight_decay", weight_decay, "", "L2 added to the gradient", {0, 1});
    f("decoupled_weight_decay", decoupled_weight_decay, "",
      "share of the weights that a step takes away, times the learning rate (AdamW)", {0, 1});
    f.group("ema", ema, "the average of the weights that is saved");
    f("tick_images", tick_images, "images",
      "a line of statistics and a held-out loss every so many", {1, 1e12});
    f.choice("snapshot", snapshot, {"last", "best"},
             "which weights are kept: the last, or those with the least held-out loss");
    f("patience", patience, "ticks",
      "end training after so many ticks without a smaller held-out loss; 0 = never", {0, 1e9});
    f("max_bad_steps", max_bad_steps, "steps",
      "stop after so many steps in a row whose loss or gradient is not finite", {1, 1e9});
    f("checkpoint_sec", checkpoint_sec, "s", "time between checkpoints", {0, 1e9});
  }
  /// With micro_batch_size and lanes chosen, for networks on `device`, where they are 0.
  LoopConfig settled(at::Device device) const;
};

/// What is trained: which loss on which images. Called from several threads at once.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;
  /// Sum of the losses of images first … first + count - 1 (running numbers), a scalar with its
  /// graph.
  virtual at::Tensor loss_sum(int64_t first, int64_t count) const = 0;
  /// Mean loss on images kept from training, with the weights now in the network; NaN when there
  /// are none.
  virtual double heldout_loss() const { return std::numeric_limits<double>::quiet_NaN(); }
  /// What there is to show at a tick, after `images`, with the averaged weights in the network: an
  /// object whose keys go into the tick's notes.
  virtual nlohmann::json preview(int64_t /*images*/) const { return nlohmann::json::object(); }
};

/// Goes along with a run: told of every step, heard at every tick, saved in every checkpoint.
///
/// Called on the loop's own thread while no loss is computed, with the weights as they are trained
/// (not averaged), which it leaves as they are. A resumed run goes on bit for bit when state() holds
/// all that step_done() changes.
class Companion {
 public:
  virtual ~Companion() = default;
  /// A step on images first … first + count - 1 was taken.
  virtual void step_done(int64_t /*first*/, int64_t /*count*/) {}
  /// What there is to say once `images` were seen: an object whose keys go into the tick's notes.
  virtual nlohmann::json at_tick(int64_t /*images*/) { return nlohmann::json::object(); }
  virtual nlohmann::json state() const { return nullptr; }
  virtual void restore(const nlohmann::json& /*state*/) {}
};

/// One line of the training curve.
struct Tick {
  int64_t images = 0;
  double loss = 0;          ///< mean over the images since the tick before
  double heldout_loss = 0;  ///< of the averaged weights; NaN when there are no held-out images
  nlohmann::json notes = nlohmann::json::object();  ///< what preview and companions say
};

struct TrainResult {
  int64_t images = 0;
  int64_t snapshot_images = 0;  ///< when the kept weights were reached
  double heldout_loss = 0;      ///< of the kept weights
  double seconds = 0;           ///< in all sessions together
  int64_t bad_steps = 0;        ///< steps whose gradient was not finite somewhere
  bool interrupted = false;     ///< stopped on request, not done; the checkpoint is saved
  std::vector<Tick> curve;
};

/// Where a run keeps its state, and who is told.
struct LoopHooks {
  std::filesystem::path checkpoint;  ///< empty = none
  bool resume = false;               ///< continue from `checkpoint` when it is there
  /// Told of every tick; after a resume, of those before it again.
  std::function<void(const Tick&)> on_tick;
  /// In the order they are told; a resumed run must have the same ones.
  std::vector<std::shared_ptr<Companion>> companions = {};
  /// Train together: each calls run_loop with the same arguments, its own files apart, and all end
  /// with the same weights. The first one's clock says when checkpoints are written.
  std::shared_ptr<const ProcessGroup> processes = std::make_shared<ProcessGroup>();
};

/// Trains `parameters` (the trainable ones of the task's network) and leaves the chosen averaged
/// weights in them.
///
/// Throws: NumericError after max_bad_steps bad steps in a row (a loss or gradient that is not
/// finite); DataError when the checkpoint is damaged; UsageError when it belongs to another network
/// or configuration.
TrainResult run_loop(const TrainingTask& task, std::vector<at::Tensor> parameters,
                     const LoopConfig& config, const LoopHooks& hooks, const std::string& stage,
                     Progress& progress);

nlohmann::json to_json(const std::vector<Tick>& curve);

}  // namespace equipoise::train
