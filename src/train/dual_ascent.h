// Multipliers of constraints J_i <= b_i, found while the weights are trained.
//
//   Lagrangian   J_0(theta) + sum_i lambda_i (J_i(theta) - b_i)
//   dual step    lambda_i <- max(0, lambda_i + step (J_i - b_i - 2 relaxation lambda_i))
//
// A multiplier grows while its constraint is violated and shrinks while it is met. For given
// multipliers the best denoiser is that of the mixture (q + sum lambda_i q_i) / (1 + sum lambda_i).
//
// With a relaxation (the resilient variant) a threshold need not be reachable: constraint i is
// loosened by u_i at the price u_i^2 / (4 relaxation), and lambda_i settles at (J_i - b_i) / (2
// relaxation). Choose relaxation = J_i / (2 lambda), lambda being the multiplier wished for.
//
// All losses, J_0 too, are means over images and elements; thresholds, step and relaxation hold in
// this unit alone.
// Source: Khalafi, Ding and Ribeiro, "Constrained Diffusion Models via Dual Training" (NeurIPS 2024),
// Algorithms 2 and 3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/fields.h"

namespace equipoise::train {

/// The settings that all constraints of a run share.
struct DualConfig {
  double dual_step = 0.1;
  int64_t period_steps = 2;
  double relaxation = 0;
  std::string estimate = "mean";
  int64_t memory_steps = 50;
  double max_multiplier = 1000;
  bool normalise = false;

  void fields(FieldVisitor& f) {
    f("dual_step", dual_step, "",
      "how far a multiplier moves for a loss that is 1 above its threshold; 0 = multipliers stay "
      "as they start",
      {0, 1e6});
    f("period_steps", period_steps, "steps", "training steps between two dual steps", {1, 1e6});
    f("relaxation", relaxation, "",
      "0 = thresholds are kept; else they give way, and a multiplier settles at (loss - threshold) "
      "/ (2 relaxation)",
      {0, 1e6});
    f.choice("estimate", estimate, {"last", "mean", "ema", "fresh"},
             "losses a dual step sees: of the last training step, their mean since the last dual "
             "step, a moving average, or of new images at the present weights");
    f("memory_steps", memory_steps, "steps", "estimate ema: how far the average reaches back",
      {1, 1e9});
    f("max_multiplier", max_multiplier, "", "multipliers are held below; how often is reported",
      {0, 1e12});
    f("normalise", normalise, "",
      "divide the Lagrangian by 1 + the sum of multipliers, so that the gradient keeps its size");
  }
};

/// The multipliers, without anything that is trained. float64, outside autograd.
class DualAscent {
 public:
  /// Throws UsageError unless relaxation * dual_step < 1 (the resilient steps would not settle), the
  /// lists are of one length and every start is in 0 … max_multiplier.
  DualAscent(const DualConfig& config, std::vector<double> thresholds, std::vector<double> start);
  /// One dual step. A loss that is not finite leaves its multiplier as it was.
  void step(const std::vector<double>& losses);
  const std::vector<double>& multipliers() const { return multipliers_; }
  double total() const;
  int64_t num_steps() const { return num_steps_; }
  /// Steps in which a multiplier met its upper bound.
  int64_t num_capped() const { return num_capped_; }

  nlohmann::json state() const;
  /// Throws UsageError when the state is of another number of constraints.
  void restore(const nlohmann::json& state);

 private:
  DualConfig config_;
  std::vector<double> thresholds_, multipliers_;
  int64_t num_steps_ = 0, num_capped_ = 0;
};

/// Shares of the groups in the mixture that multipliers stand for: (base + sum_i lambda_i parts_i) /
/// (1 + sum_i lambda_i). Every list of shares is as long as `base`.
std::vector<double> mixture_shares(const std::vector<double>& base,
                                   const std::vector<std::vector<double>>& parts,
                                   const std::vector<double>& multipliers);

}  // namespace equipoise::train
