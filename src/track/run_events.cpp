#include "track/run_events.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "io/json_lines.h"
#include "io/safetensors.h"

namespace equipoise::track {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpointEnd = ".checkpoint";

/// Names of the files NAME.EXTENSION in the folder, sorted; none when there is no such folder.
std::vector<std::string> names_in(const fs::path& folder, const std::string& extension) {
  std::vector<std::string> names;
  if (!fs::is_directory(folder)) return names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) names.push_back(entry.path().stem());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

RunEvents::RunEvents(const fs::path& run_dir, EventFile::Clock clock)
    : run_dir_(run_dir), file_(run_dir / "events", std::move(clock)) {
  const fs::path stats = run_dir / "stats.jsonl";
  if (!fs::exists(stats)) return;
  for (const nlohmann::json& line : io::read_json_lines(stats, io::LastLine::kMayBeTorn))
    add_line(line);
}

void RunEvents::add_line(const nlohmann::json& line) {
  const std::string stage = line.value("stage", "run");
  const int64_t step = line.value("images", int64_t{0});
  for (const auto& [name, value] : line.items())
    if (value.is_number() && name != "images")
      file_.add_scalar(stage + "/" + name, step, value.get<double>());
  if (const std::string grid = line.value("preview_grid", ""); !grid.empty()) {
    const fs::path file = run_dir_ / grid;
    if (fs::exists(file)) file_.add_image("previews/" + stage, step, io::read_file(file));
  }
  last_steps_[stage] = step;
}

void RunEvents::add_grid(const std::string& name) {
  const fs::path grid = run_dir_ / "samples" / (name + ".png");
  if (fs::exists(grid)) file_.add_image("samples/" + name, last_step(name), io::read_file(grid));
}

void RunEvents::add_model(const std::string& name) {
  const io::SafetensorsFile model =
      io::read_safetensors(run_dir_ / "models" / (name + ".safetensors"));
  for (const auto& [tensor_name, tensor] : model.tensors)
    if (tensor.is_floating_point())
      file_.add_histogram("weights/" + name + "/" + tensor_name, last_step(name),
                          histogram_of(tensor));
}

void RunEvents::add_ratio(const nlohmann::json& ratio) {
  const std::string name = ratio.value("name", "ratio");
  int64_t level_number = 0;
  for (const nlohmann::json& level : ratio.value("levels", nlohmann::json::array())) {
    const nlohmann::json& histogram = level.at("weight_histogram");
    const auto edges = histogram.at("edges").get<std::vector<double>>();
    for (const char* set : {"biased", "reference"})
      file_.add_histogram(
          name + "/weight of " + set + " images", level_number,
          histogram_of_counts(
              edges, histogram.at(std::string("counts_") + set).get<std::vector<double>>()));
    ++level_number;
  }
}

int64_t RunEvents::last_step(const std::string& stage) const {
  const auto found = last_steps_.find(stage);
  return found == last_steps_.end() ? 0 : found->second;
}

fs::path rebuild_events(const fs::path& run_dir) {
  if (!fs::exists(run_dir / "config.toml"))
    throw DataError({.where = run_dir.string(),
                     .what = "this is no run",
                     .got = "no config.toml in it",
                     .expected = "the folder of a run"});
  const io::FileLock lock(run_dir);
  RunEvents events(run_dir);
  if (fs::exists(run_dir / "results.json")) {
    const nlohmann::json results = io::read_json(run_dir / "results.json");
    for (const nlohmann::json& ratio : results.value("ratios", nlohmann::json::array()))
      events.add_ratio(ratio);
  }
  for (const std::string& name : names_in(run_dir / "models", ".safetensors"))
    if (!name.ends_with(kCheckpointEnd)) events.add_model(name);
  for (const std::string& name : names_in(run_dir / "samples", ".png")) events.add_grid(name);
  return events.path();
}

}  // namespace equipoise::track
