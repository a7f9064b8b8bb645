// Rejection at every step of sampling (DiffRS): a discriminator accepts an image's step or sends
// the image back to more noise, so that bad images get more work than good ones. Works on top of
// any solver and any guidance; needs no gradient of the discriminator.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/fields.h"
#include "diffusion/density_ratio.h"
#include "samplers/sampler.h"

namespace equipoise::samplers {

/// How strictly, where, and for how long. Defaults: those of the published CIFAR-10 run.
struct RejectionConfig {
  double percentile = 0.75;
  int64_t max_calls = 0;
  int64_t back_steps = 1;
  int64_t first_level = 0;
  int64_t last_level = 0;
  int64_t warmup_images = 1000;
  bool exact = false;
  bool allow_below_one = false;

  void fields(FieldVisitor& f) {
    f("percentile", percentile, "",
      "quantile of warm-up log-ratios taken as log M: larger rejects more", {0, 1});
    f("max_calls", max_calls, "calls",
      "denoiser calls of one attempt, then start anew; 0 = three times the solver's", {0, 1e9});
    f("back_steps", back_steps, "count", "levels a rejected image is sent back", {1, 10000});
    f("first_level", first_level, "", "levels above this one are tested; 0 = the prior too",
      {0, 10000});
    f("last_level", last_level, "", "last level that is tested; 0 = all", {0, 10000});
    f("warmup_images", warmup_images, "count", "images that set the rejection constants", {1, 1e7});
    f("exact", exact, "",
      "redraw a rejected step from where it started (stochastic solvers only) instead of going "
      "back");
    f("allow_below_one", allow_below_one, "", "let a rejection constant M fall below 1");
  }
};

/// log M by level, [num_steps + 1] each: for the ratio at a level, and for its rise over a step.
struct RejectionTables {
  std::vector<double> marginal;
  std::vector<double> transition;
};

/// What the tests of a run came to; level 0 is the prior.
struct RejectionCounts {
  std::vector<int64_t> tested, accepted;  ///< [num_steps + 1]
  int64_t num_restarts = 0;               ///< attempts given up because of max_calls
  int64_t num_ratio_calls = 0;            ///< discriminator evaluations, a row each

  RejectionCounts& operator+=(const RejectionCounts& other);
};

/// Where images stand in their trials, one row each beside their Walkers.
struct Trials {
  at::Tensor log_ratio;      ///< [B] float64, at the last accepted place
  at::Tensor is_started;     ///< [B] bool: the first place was accepted
  at::Tensor calls;          ///< [B] int64, denoiser calls of this attempt
  at::Tensor total_calls;    ///< [B] int64, of all attempts
  at::Tensor num_starts;     ///< [B] int64, fresh priors drawn so far (the part of the next)
  at::Tensor num_tests;      ///< [B] int64, uniforms drawn so far
  at::Tensor num_sent_back;  ///< [B] int64, renoising draws so far
};
Trials new_trials(int64_t count, at::Device device);
Trials pick(const Trials& trials, const at::Tensor& rows);
Trials join(const Trials& a, const Trials& b);

/// Accepts or rejects steps. With l(x, i) the log-ratio at level i and i' the level before:
///
///   prior       accept iff l(x, 0) - log A_0                  >= log u        else a fresh prior
///   step        accept iff l(x, i) - l(x', i') - log T_i      >= log u        else x + sqrt(sigma_i'^2 - sigma_i^2) n at i'
///   once back   accept iff l(x, i) - log A_i                  >= log u        else further back
///
/// u uniform, A the marginal and T the transition constants (quantiles of a run without rejection,
/// at least 1 unless told). In exact mode a rejected step is redrawn from x', always by T: with a
/// stochastic solver, the exact ratio and T_i no less than its supremum, accepted images follow the
/// ratio's numerator.
/// Source: Na et al. 2024 (arXiv:2405.17880), Alg. 1. Differs: image i draws from its own streams
/// (kRejection, kRenoise, kLatent of seeds[i]), so batches do not matter, and an image is never
/// dropped for taking long; calls of discarded attempts are counted.
/// Threads: const members may be called from several threads at once.
class Rejection {
 public:
  /// Throws: UsageError when the options do not fit the solver: max_calls below its own calls,
  /// exact without a stochastic solver, levels or tables of another number of steps.
  Rejection(std::shared_ptr<const diffusion::DensityRatio> ratio, const RejectionConfig& config,
            const Sampler& sampler, RejectionTables tables);

  /// Tests the priors of images that have not started, drawing fresh ones until each is accepted.
  /// Throws: NumericError when an image has been started 10,000 times.
  void start(const at::Tensor& levels, int64_t chunk_size, Walkers& walkers, Trials& trials,
             RejectionCounts& counts) const;
  /// Tests the step from `before` to `walkers`; sends back, redraws or restarts what is rejected.
  /// Throws: NumericError when an image has spent 1,000 times max_calls.
  void judge(const at::Tensor& levels, int64_t chunk_size, const Walkers& before, Walkers& walkers,
             Trials& trials, RejectionCounts& counts) const;

  const RejectionTables& tables() const { return tables_; }

 private:
  at::Tensor log_ratio(const at::Tensor& levels, int64_t chunk_size, const Walkers& walkers,
                       const at::Tensor& rows, RejectionCounts& counts) const;
  void draw_priors(const at::Tensor& levels, const at::Tensor& rows, Walkers& walkers,
                   Trials& trials) const;
  void send_back(const at::Tensor& levels, const at::Tensor& rows, Walkers& walkers,
                 Trials& trials) const;
  void restart_over_budget(const at::Tensor& levels, Walkers& walkers, Trials& trials,
                           RejectionCounts& counts) const;

  std::shared_ptr<const diffusion::DensityRatio> ratio_;
  RejectionConfig config_;
  RejectionTables tables_;
  int64_t num_steps_;
  int64_t last_level_;
  at::Tensor calls_of_step_;    // [N] int64
  at::Tensor remaining_calls_;  // [N + 1] int64, from a level to the end
};

/// The constants of tables made from log-ratios noted by level: log M = the quantile
/// `config.percentile`, linearly interpolated, at least 0 unless config.allow_below_one.
std::vector<double> rejection_constants(const std::vector<std::vector<double>>& noted,
                                        const RejectionConfig& config);

/// {"marginal": […], "transition": […]} and back; the second throws DataError naming `where`.
nlohmann::ordered_json to_json(const RejectionTables& tables);
RejectionTables tables_from_json(const nlohmann::json& json, const std::string& where);
nlohmann::ordered_json to_json(const RejectionCounts& counts);

}  // namespace equipoise::samplers
