#include "serve/run_view.h"

#include <algorithm>
#include <set>

#include "core/config.h"
#include "core/error.h"
#include "io/json_lines.h"
#include "report/series.h"

namespace equipoise::serve {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Objects of the file's whole lines; a line that is being written has no end yet.
std::vector<Json> whole_lines(const std::string& text) {
  std::vector<Json> lines;
  size_t begin = 0;
  for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    Json line = io::parse_json(std::string_view(text).substr(begin, end - begin), "stats.jsonl");
    if (line.is_object()) lines.push_back(std::move(line));
    begin = end + 1;
  }
  return lines;
}

std::set<std::string> finished_stages(const RunFiles& files) {
  std::set<std::string> names;
  const auto text = files.read("state.json");
  if (!text) return names;
  const Json state = io::parse_json(*text, "state.json");
  for (const Json& stage : state.value("times", Json::array()))
    names.insert(stage.value("name", ""));
  return names;
}

/// The images that a stage of this name is to be shown; nothing for stages that say it elsewhere.
std::optional<int64_t> configured_images(const ConfigTree& config, const std::string& stage) {
  std::string section;
  if (stage == "classifier") section = "classifier.train";
  if (stage.starts_with("ratio_")) section = "ratio.train";
  const Json objectives = config.value("objectives");
  if (std::find(objectives.begin(), objectives.end(), stage) != objectives.end()) section = "train";
  const Json value = section.empty() ? Json() : config.value(section + ".images");
  return value.is_number() ? std::optional(value.get<int64_t>()) : std::nullopt;
}

std::vector<StageView> stages_of(const RunFiles& files, const ConfigTree& config) {
  std::vector<StageView> stages;
  const std::set<std::string> finished = finished_stages(files);
  for (Json& line : whole_lines(files.read("stats.jsonl").value_or(""))) {
    const std::string name = line.value("stage", "run");
    auto stage = std::find_if(stages.begin(), stages.end(),
                              [&](const StageView& known) { return known.name == name; });
    if (stage == stages.end())
      stage = stages.insert(stages.end(), {.name = name,
                                           .lines = {},
                                           .num_images = configured_images(config, name),
                                           .is_done = finished.contains(name)});
    stage->images = line.value("images", int64_t{0});
    stage->lines.push_back(std::move(line));
  }
  return stages;
}

std::vector<GridView> grids_of(const RunFiles& files) {
  std::vector<GridView> grids;
  for (const std::string& name : files.names_in("samples")) {
    const auto changed = files.changed_sec("samples/" + name);
    if (name.ends_with(".png") && changed) grids.push_back({name, *changed});
  }
  std::stable_sort(grids.begin(), grids.end(), [](const GridView& a, const GridView& b) {
    return a.changed_sec < b.changed_sec;
  });
  return grids;
}

void read_into(RunView& run, const RunFiles& files) {
  ConfigTree config;
  config.add_text(files.read("config.toml").value_or(""), "config.toml");
  const Json title = config.value("title");
  if (title.is_string()) run.title = title.get<std::string>();
  run.stages = stages_of(files, config);
}

OrderedJson number_or_null(const Json& line, const char* name) {
  const auto found = line.find(name);
  return found != line.end() && found->is_number() ? OrderedJson(found->get<double>())
                                                   : OrderedJson(nullptr);
}

OrderedJson stage_summary(const StageView& stage) {
  return {{"name", stage.name},
          {"images", stage.images},
          {"num_images", stage.num_images ? OrderedJson(*stage.num_images) : OrderedJson(nullptr)},
          {"is_done", stage.is_done},
          {"loss", number_or_null(stage.lines.back(), "loss")},
          {"heldout_loss", number_or_null(stage.lines.back(), "heldout_loss")}};
}

OrderedJson with_curves(const StageView& stage) {
  OrderedJson json = stage_summary(stage);
  for (const char* name : {"loss", "heldout_loss"})
    json["curves"][name] = report::read_points(stage.lines, "images", name);
  return json;
}

}  // namespace

const char* state_name(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return "running";
    case RunState::kStopped:
      return "stopped";
    case RunState::kFinished:
      return "finished";
    case RunState::kUnreadable:
      return "unreadable";
  }
  return "";
}

RunView look_at(const RunFiles& files, size_t id) {
  RunView run;
  run.id = id;
  run.name = files.folder().lexically_normal().filename().string();
  if (run.name.empty()) run.name = files.folder().string();  // "runs/demo/"
  run.grids = grids_of(files);
  run.has_report = files.changed_sec("report.html").has_value();
  run.changed_sec =
      files.changed_sec("stats.jsonl").value_or(files.changed_sec("config.toml").value_or(0));
  if (files.is_held()) {
    run.state = RunState::kRunning;
  } else if (files.changed_sec("results.json")) {
    run.state = RunState::kFinished;
  }
  try {
    read_into(run, files);
  } catch (const Error& error) {
    run.state = RunState::kUnreadable;
    run.problem = error.what();
  } catch (const Json::exception& error) {  // a value of another type than a run writes
    run.state = RunState::kUnreadable;
    run.problem = error.what();
  }
  return run;
}

const StageView* stage_under_way(const RunView& run) {
  return run.stages.empty() || run.stages.back().is_done ? nullptr : &run.stages.back();
}

OrderedJson summary_json(const RunView& run) {
  OrderedJson json{{"id", run.id},
                   {"name", run.name},
                   {"title", run.title},
                   {"state", state_name(run.state)},
                   {"problem", run.problem},
                   {"changed", run.changed_sec},
                   {"report", run.has_report}};
  json["stages"] = OrderedJson::array();
  for (const StageView& stage : run.stages) json["stages"].push_back(stage_summary(stage));
  json["grids"] = OrderedJson::array();
  for (const GridView& grid : run.grids)
    json["grids"].push_back({{"file", grid.file}, {"changed", grid.changed_sec}});
  return json;
}

OrderedJson to_json(const RunView& run) {
  OrderedJson json = summary_json(run);
  json["stages"] = OrderedJson::array();
  for (const StageView& stage : run.stages) json["stages"].push_back(with_curves(stage));
  return json;
}

}  // namespace equipoise::serve
