#include "pipeline/experiment_config.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "objectives/objective.h"
#include "samplers/sampler.h"

namespace equipoise::pipeline {
namespace {

using Json = nlohmann::json;

/// A free-form table with a "type"; `fallback` when it is absent or names no type.
Json typed_table(ConfigTree& tree, const std::string& path, const Json& fallback) {
  tree.accept_all_below(path);
  Json table = tree.value(path);
  if (table.is_null()) return fallback;
  if (!table.is_object() || !table.contains("type")) {
    tree.add_problem("[" + path + "] has no 'type'");
    return fallback;
  }
  return table;
}

MethodConfig read_method(ConfigTree& tree, const std::string& name) {
  const std::string path = "objective." + name;
  tree.accept_all_below(path);
  MethodConfig method{.name = name, .objective = name, .options = tree.value(path)};
  if (method.options.is_null()) method.options = Json::object();
  if (method.options.contains("method")) {
    method.objective = method.options["method"].get<std::string>();
    method.options.erase("method");
  }
  try {
    const auto& entry = objectives::ObjectiveRegistry::instance().find(method.objective);
    if (entry.make.ratio_need == objectives::RatioNeed::kNone)
      entry.make.make(method.options, nullptr);
  } catch (const UsageError& error) {
    tree.add_problem("[" + tree.origin("objectives") + "] " + error.what());
  }
  return method;
}

}  // namespace

void ExperimentConfig::fields(FieldVisitor& f) {
  f("title", title, "", "headline of the report");
  f("seed", seed, "", "everything random hangs on it", {0, 9e15});
  f("threads", threads, "count", "workers; 0 = as many as the machine has cores", {0, 4096});
  f("device", device, "", "where networks live: cpu, cuda, cuda:1");
  f("objectives", objectives, "", "methods trained side by side (equipoise list objectives)");
  f.group("data", data, "which images");
  f.group("model", model, "the denoiser");
  f.group("train", train, "its training");
  f.group("ratio", ratio, "density ratios");
  f.group("classifier", classifier, "the group classifier");
  f.group("sample", sample, "samples drawn from every model");
}

int64_t ExperimentConfig::num_workers() const {
  return threads > 0 ? threads : num_cores();
}

nlohmann::ordered_json ExperimentConfig::to_json() const {
  nlohmann::ordered_json json = equipoise::to_json(*this);
  json["model"]["network"] = network;
  json["ratio"]["network"] = ratio_network;
  json["classifier"]["network"] = classifier_network;
  json["sampler"] = sampler;
  for (const MethodConfig& method : methods) {
    nlohmann::ordered_json options = method.options;
    if (method.objective != method.name) options["method"] = method.objective;
    if (!options.empty()) json["objective"][method.name] = options;
  }
  return json;
}

ExperimentConfig resolve_config(ConfigTree& tree) {
  ExperimentConfig config;
  tree.read("", config);
  config.network = typed_table(tree, "model.network", {{"type", kDefaultNetwork}});
  config.ratio_network = typed_table(tree, "ratio.network", {{"type", "CNN"}});
  config.classifier_network = typed_table(tree, "classifier.network", {{"type", "CNN"}});
  config.sampler = typed_table(tree, "sampler", {{"type", "heun"}});
  for (const std::string& name : config.objectives)
    config.methods.push_back(read_method(tree, name));
  if (config.objectives.empty())
    tree.add_problem("'objectives' is empty: name at least one (equipoise list objectives)");
  for (const std::string& name : tree.keys("objective"))
    if (std::find(config.objectives.begin(), config.objectives.end(), name) ==
        config.objectives.end())
      tree.accept_all_below("objective." + name);  // options of a method that this run leaves out
  if (config.data.path.empty())
    tree.add_problem("'data.path' is not given: name a data set (equipoise list datasets)");
  try {
    Json options = config.sampler;
    options.erase("type");
    samplers::SamplerRegistry::instance().find(config.sampler["type"]).make.make(options);
  } catch (const UsageError& error) {
    tree.add_problem(std::string("[sampler] ") + error.what());
  }
  tree.finish();
  return config;
}

}  // namespace equipoise::pipeline
