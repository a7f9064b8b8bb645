// A run for TensorBoard: DIR/events/ holds a copy of what the run's own files hold.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "track/event_file.h"

namespace equipoise::track {

/// Copies what a run records into one new event file, as it is recorded.
///
/// `stats.jsonl` and the other files of the run are the truth; nothing is ever read from events.
/// Each process writes a file of its own, which begins with all that stats.jsonl holds already, so
/// that a resumed run shows no point twice and none that was cut off.
class RunEvents {
 public:
  /// `run_dir`: a run's folder, which this process holds. Throws DataError when its stats.jsonl is
  /// damaged, EnvironmentError when the disk fails.
  explicit RunEvents(const std::filesystem::path& run_dir,
                     EventFile::Clock clock = EventFile::system_clock_sec);

  /// A line of stats.jsonl: every number in it but "images" becomes the scalar STAGE/NAME at step
  /// "images"; a "preview_grid" that is there becomes the image previews/STAGE.
  void add_line(const nlohmann::json& line);
  /// samples/NAME.png as the image samples/NAME at the stage's last step; nothing when the run has
  /// none.
  void add_grid(const std::string& name);
  /// Every tensor of models/NAME.safetensors as the histogram weights/NAME/TENSOR at the stage's
  /// last step.
  void add_model(const std::string& name);
  /// How a density ratio weighs the held-out images of both sets, from its part of results.json: a
  /// histogram each, one step a noise level, the lowest first.
  void add_ratio(const nlohmann::json& ratio);

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  int64_t last_step(const std::string& stage) const;

  std::filesystem::path run_dir_;
  EventFile file_;
  std::map<std::string, int64_t> last_steps_;
};

/// Writes the events of a run that no process works on, from its files alone: stats.jsonl, the
/// finished models and grids, and the ratios of results.json where there is one. Returns the new
/// event file.
/// Throws DataError when `run_dir` holds no run or a file of it is damaged, EnvironmentError when
/// another process holds it.
std::filesystem::path rebuild_events(const std::filesystem::path& run_dir);

}  // namespace equipoise::track
