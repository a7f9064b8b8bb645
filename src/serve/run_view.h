// What a run's files say of it at this moment.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "serve/run_files.h"

namespace equipoise::serve {

/// One stage that trains something, as far as stats.jsonl tells of it.
struct StageView {
  std::string name;
  std::vector<nlohmann::json> lines;  ///< of stats.jsonl, oldest first
  int64_t images = 0;                 ///< shown so far
  std::optional<int64_t> num_images;  ///< in all, as configured; training may end earlier
  bool is_done = false;
};

struct GridView {
  std::string file;  ///< in samples/
  int64_t changed_sec = 0;
};

enum class RunState { kRunning, kStopped, kFinished, kUnreadable };
/// "running", "stopped", "finished", "unreadable"
const char* state_name(RunState state);

struct RunView {
  size_t id = 0;     ///< place in the list of runs
  std::string name;  ///< its folder's
  std::string title;
  RunState state = RunState::kStopped;
  std::string problem;  ///< why it is unreadable
  std::vector<StageView> stages;
  std::vector<GridView> grids;  ///< oldest first
  int64_t changed_sec = 0;      ///< when stats.jsonl, else config.toml, was last written
  bool has_report = false;
};

/// Reads a run. A last line of stats.jsonl that is being written is left out; a file that is
/// damaged makes the run kUnreadable.
RunView look_at(const RunFiles& files, size_t id);

/// The stage that is under way; none when nothing is being trained.
const StageView* stage_under_way(const RunView& run);

/// As docs/formats/serve.md says: without and with the curves' points.
nlohmann::ordered_json summary_json(const RunView& run);
nlohmann::ordered_json to_json(const RunView& run);

}  // namespace equipoise::serve
