// Seconds per stage of a run, for results.json.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace equipoise::track {

struct StageTime {
  std::string name;
  double seconds = 0;
};

/// Adds up wall-clock time per named stage. A stage entered twice (or carried over by a resumed run) is one line.
class StageClock {
 public:
  using Now = std::function<double()>;  ///< seconds from any fixed point

  /// `now` is the steady clock unless a test brings its own.
  explicit StageClock(Now now = steady_seconds);
  /// Ends the stage under way, if any, and begins this one.
  void begin(const std::string& name);
  void end();
  /// Adds time spent elsewhere: by the part of the run before it was interrupted.
  void add(const std::string& name, double seconds);
  /// In the order in which stages were first begun; includes the one under way up to now.
  std::vector<StageTime> stages() const;
  /// [{"name", "seconds"}], as results.json has it.
  nlohmann::ordered_json to_json() const;

  static double steady_seconds();

 private:
  Now now_;
  std::vector<StageTime> stages_;
  std::string current_;
  double begun_sec_ = 0;
  bool is_running_ = false;
};

}  // namespace equipoise::track
