#include "pipeline/method_config.h"

#include <algorithm>
#include <filesystem>

#include "core/error.h"
#include "core/spelling.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

/// Moves the keys that are fields of Struct from `table` into one and reads it from them.
template <class Struct>
Struct take_fields(Json& table, const std::string& where) {
  Struct result{};
  Json own = Json::object();
  const nlohmann::ordered_json fields = equipoise::to_json(result);
  for (const auto& [key, value] : fields.items()) {
    if (!table.contains(key)) continue;
    own[key] = table[key];
    table.erase(key);
  }
  from_json(own, result, where);
  return result;
}

}  // namespace

MethodTraining take_training(Json& options, const std::string& where) {
  return take_fields<MethodTraining>(options, where);
}

size_t ConstraintsSection::position(const std::string& name) const {
  std::vector<std::string> known;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].name == name) return i;
    known.push_back(entries[i].name);
  }
  throw unknown_name("constraint", name, known);
}

void read_constraints(ConfigTree& tree, ConstraintsSection& section) {
  for (const std::string& name : tree.keys("constraints")) {
    const std::string path = "constraints." + name;
    Json table = tree.value(path);
    if (!table.is_object()) continue;  // a setting of the section itself
    tree.accept_all_below(path);
    ConstraintConfig& entry = section.entries.emplace_back();
    entry.name = name;
    try {
      entry.settings = take_fields<train::ConstraintSettings>(table, path);
      entry.options = std::move(table);
      train::ConstraintRegistry::instance().find(entry.settings.kind).make.check(entry.options);
    } catch (const UsageError& error) {
      tree.add_problem("[" + tree.origin(path + ".kind") + "] " + path + ": " + error.what());
    }
  }
  try {
    train::DualAscent(section, {}, {});
  } catch (const UsageError& error) {
    tree.add_problem("[" + tree.origin("constraints.relaxation") + "] " + error.what());
  }
}

void settle(MethodTraining& training, const TrainingSurroundings& run, ConfigTree& tree) {
  const auto add = [&](const std::string& problem) { tree.add_problem(run.where + problem); };
  if (run.takes_constraints && training.constraints.empty())
    for (const ConstraintConfig& entry : run.constraints.entries)
      training.constraints.push_back(entry.name);
  if (run.takes_constraints && training.constraints.empty())
    add(" is trained under constraints: give at least one table [constraints.NAME]");
  for (const std::string& name : training.constraints) {
    try {
      run.constraints.position(name);
    } catch (const UsageError& error) {
      add(std::string(": ") + error.what());
    }
  }
  if (run.has_words && !(training.groups.empty() && training.constraints.empty()))
    add(": groups and constraints are not there for models that are told words");
  const bool is_earlier =
      std::find(run.earlier.begin(), run.earlier.end(), training.start) != run.earlier.end();
  if (!training.start.empty() && !is_earlier && !std::filesystem::exists(training.start))
    add(": 'start' is neither an earlier entry of objectives nor a file: '" + training.start + "'");
  if (training.start.empty() && (training.mixout > 0 || training.pull > 0))
    add(": mixout and pull hold on to the weights of 'start', which is not given");
  if (training.mixout > 0 && run.weight_decay > 0)
    add(": weight decay pulls to 0 what mixout pulls to 'start': set train.weight_decay = 0, or "
        "use "
        "pull");
}

nlohmann::ordered_json to_json(const MethodTraining& training) {
  const nlohmann::ordered_json defaults = equipoise::to_json(MethodTraining{});
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  const nlohmann::ordered_json fields = equipoise::to_json(training);
  for (const auto& [key, value] : fields.items())
    if (value != defaults[key]) json[key] = value;
  return json;
}

nlohmann::ordered_json to_json(const ConstraintConfig& constraint) {
  nlohmann::ordered_json json = equipoise::to_json(constraint.settings);
  for (const auto& [key, value] : constraint.options.items()) json[key] = value;
  return json;
}

}  // namespace equipoise::pipeline
