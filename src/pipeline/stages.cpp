#include "pipeline/stages.h"

#include "io/files.h"
#include "io/json_lines.h"
#include "track/steady_clock.h"

namespace equipoise::pipeline {

Stages::Stages(std::filesystem::path path, bool resume)
    : path_(std::move(path)),
      state_{{"results", nlohmann::json::object()}, {"times", nlohmann::json::array()}} {
  if (resume && std::filesystem::exists(path_)) state_ = io::read_json(path_);
}

nlohmann::json Stages::run(const std::string& name, const std::function<nlohmann::json()>& body) {
  if (state_["results"].contains(name)) return state_["results"][name];
  const double begun = track::steady_seconds();
  nlohmann::json result = body();
  state_["results"][name] = result;
  state_["times"].push_back({{"name", name}, {"seconds", track::steady_seconds() - begun}});
  io::write_file_atomically(path_, state_.dump(1));
  return result;
}

}  // namespace equipoise::pipeline
