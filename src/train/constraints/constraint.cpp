#include "train/constraints/constraint.h"

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::train {

void check_reachable(const std::string& name, double threshold, const Floor& floor,
                     double relaxation) {
  if (relaxation > 0 || threshold > floor.value) return;
  throw UsageError({.where = "constraints." + name + ".threshold",
                    .what = "no denoiser can bring this loss below the threshold",
                    .got = fmt::format("{}", threshold),
                    .expected = fmt::format("more than the floor {:.6g} (standard error {:.2g})",
                                            floor.value, floor.standard_error),
                    .hint = "Try a larger threshold, or let thresholds give way with "
                            "constraints.relaxation"});
}

}  // namespace equipoise::train
