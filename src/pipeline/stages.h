// The memory of a run: what each stage found, so that a resumed run leaves out what is done.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <nlohmann/json.hpp>

namespace equipoise::pipeline {

/// Thrown by a stage that was stopped on request (Ctrl-C, SIGTERM); everything is saved.
struct Interrupted {};

/// Runs stages by name and keeps their results in one JSON file, replaced atomically after each.
class Stages {
 public:
  /// With `resume`, results already in `path` stand; else the file is started anew.
  Stages(std::filesystem::path path, bool resume);
  /// The remembered result of `name`, or that of `body`, which is then remembered with its seconds.
  nlohmann::json run(const std::string& name, const std::function<nlohmann::json()>& body);
  bool is_done(const std::string& name) const { return state_["results"].contains(name); }
  /// [{"name", "seconds"}] in the order run.
  nlohmann::json times() const { return state_["times"]; }

 private:
  std::filesystem::path path_;
  nlohmann::json state_;
};

}  // namespace equipoise::pipeline
