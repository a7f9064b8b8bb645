// Everything a training loop needs to go on as if it had never stopped.
#pragma once

#include <filesystem>
#include <limits>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "train/loop.h"

namespace equipoise::train {

struct LoopCounters {
  int64_t images = 0;
  double loss_sum = 0;  ///< since the last tick
  int64_t loss_images = 0;
  double best_loss = std::numeric_limits<double>::infinity();
  int64_t best_images = 0;
  int64_t bad_steps = 0;
  int64_t bad_in_a_row = 0;
  double seconds = 0;
};

/// Vectors are flat, as FlatParameters lays them out.
struct Checkpoint {
  at::Tensor values, first_moment, second_moment, average, best;
  int64_t num_steps = 0;
  LoopCounters counters;
  std::vector<Tick> curve;
  nlohmann::json companions = nlohmann::json::array();  ///< state of each
  nlohmann::json recipe;
};

/// Writes atomically: a run that dies while writing keeps the checkpoint before.
void save_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint);
/// Throws DataError when damaged; UsageError when it was written under another recipe (naming the
/// first option that differs) or for a network of another size.
Checkpoint load_checkpoint(const std::filesystem::path& path, const nlohmann::json& recipe,
                           int64_t size);

}  // namespace equipoise::train
