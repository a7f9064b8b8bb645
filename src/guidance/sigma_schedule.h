// How a term's weight depends on the noise level.
#pragma once

#include <string>
#include <vector>

#include <torch/types.h>

#include "core/fields.h"

namespace equipoise::guidance {

/// Where a term acts and how strongly, for every term alike.
struct ScheduleConfig {
  double sigma_min = 0;
  double sigma_max = 1e9;
  std::string schedule = "";

  void fields(FieldVisitor& f) {
    f("sigma_min", sigma_min, "", "no guidance below this noise level", {0, 1e9});
    f("sigma_max", sigma_max, "", "no guidance above this noise level", {0, 1e9});
    f("schedule", schedule, "",
      "factors of the weight by noise level, sigma:factor/sigma:factor/…; empty = 1 everywhere");
  }
};

/// factor(sigma): 0 outside [sigma_min, sigma_max]; inside, piecewise linear in log sigma through
/// the given points and constant beyond them.
class SigmaSchedule {
 public:
  /// Throws: UsageError naming `where` unless the points are "sigma:factor" with rising sigma > 0.
  SigmaSchedule(const ScheduleConfig& config, const std::string& where);
  /// [B] float64 for sigma [B].
  at::Tensor factor(const at::Tensor& sigma) const;

 private:
  double sigma_min_, sigma_max_;
  std::vector<double> log_sigmas_, factors_;
};

}  // namespace equipoise::guidance
