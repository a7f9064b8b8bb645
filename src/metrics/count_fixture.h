// Test only: counts of fixed seeds.
#pragma once

#include <cstdint>

#include "core/random.h"
#include "metrics/shares.h"

namespace equipoise::metrics {

/// What `num_draws` of the law give in one trial.
inline Counts draw_counts(const Counts& law, int64_t num_draws, int trial) {
  RandomStream stream(trial, Purpose::kToyData);
  return resample_counts(law, num_draws, stream);
}

}  // namespace equipoise::metrics
