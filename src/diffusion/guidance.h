// What may be added to a model's score while sampling: one interface for every kind of guidance.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <torch/types.h>

#include "diffusion/denoiser.h"

namespace equipoise::diffusion {

/// One evaluation that a solver asks for; a row an image, each at its own noise level and step.
struct Visit {
  at::Tensor x;      ///< [B,…] float64, in the images' own (VE) scale
  at::Tensor sigma;  ///< [B] float64, > 0
  at::Tensor level;  ///< [B] int64, position in the solver's noise levels of the step it is part of
  at::Tensor seeds;  ///< [B] int64 on the CPU
  Conditions conditions = {};
  /// The second evaluation of a second-order step, at its far end.
  bool is_correction = false;
};

/// A term that guides sampling by adding c(x, sigma) to the score. Terms know nothing of each other
/// and add up; solvers know only their sum.
///
/// In the language of denoisers, D_guided = D + sigma^2 c; `shift` is sigma^2 c.
class Guidance {
 public:
  virtual ~Guidance() = default;
  /// The name it is registered under, for messages.
  virtual std::string name() const = 0;
  /// The term's weight at each row's place, range and schedule of noise levels included: [B]
  /// float64; 0 where it does not act.
  virtual at::Tensor strength(const Visit& visit) const = 0;
  /// sigma^2 c(x, sigma) at strength 1: the shape of visit.x, float64. Row i depends on row i
  /// alone. `denoised` is D(x; sigma) of the unguided model. Asked for only when it acts on some
  /// row. Called without autograd; opens its own graph where it needs one.
  virtual at::Tensor direction(const Visit& visit, const at::Tensor& denoised,
                               const Denoiser& denoiser) const = 0;
  /// strength times direction, 0 where the strength is 0 whatever the direction is there; undefined
  /// when it acts on no row.
  at::Tensor shift(const Visit& visit, const at::Tensor& denoised, const Denoiser& denoiser) const;
  /// Whether `direction` compares two calls of the denoiser, so that D + shift is an estimate of
  /// the clean image as D is one, and no gradient of a log-probability.
  virtual bool is_estimate() const { return false; }
  /// Churn wanted in place of the solver's own, [B] float64, NaN where it has no wish; undefined
  /// when it has none for any row. Asked for once a step, before the step.
  virtual at::Tensor wanted_churn(const Visit& /*visit*/) const { return {}; }
  /// Whether wanted_churn may ever wish for any.
  virtual bool wants_churn() const { return false; }
  /// File of the network it asks; empty when it has none.
  virtual std::string file() const { return {}; }
  /// Throws UsageError when the term cannot guide models of this shape.
  virtual void check_fits(const nets::DataShape& /*model*/) const {}
};

}  // namespace equipoise::diffusion
