#include "experiment_flags.h"

#include <cstdio>

#include <fmt/format.h>

#include "core/config.h"
#include "core/error.h"
#include "core/process_group.h"
#include "pipeline/experiment.h"
#include "pipeline/plan.h"
#include "pipeline/presets.h"
#include "track/stop_signals.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

/// Of a process beside the first: says nothing, but stops on request as that one does.
class SilentProgress : public Progress {
 public:
  bool stop_requested() const override { return track::StopSignals::requested(); }

 private:
  track::StopSignals signals_;
};

/// "key = value  # where it came from", a line each.
void explain_leaves(const nlohmann::ordered_json& node, const std::string& path,
                    const ConfigTree& tree, std::string& text) {
  for (const auto& [key, value] : node.items()) {
    const std::string child = path.empty() ? key : path + "." + key;
    if (value.is_object())
      explain_leaves(value, child, tree, text);
    else
      text += fmt::format("{} = {}   # {}\n", child, value.dump(), tree.origin(child));
  }
}

}  // namespace

void ExperimentFlags::add_to(CLI::App& command) {
  command.add_option("config", config, "What to do, as TOML; may be left out with --preset")
      ->type_name("CONFIG.toml");
  command.add_option("--preset", preset, "Start from a built-in config (equipoise list presets)")
      ->type_name("NAME");
  command
      .add_option("--set", assignments,
                  "Set one config key, as in train.images=200000; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--out", out,
                  "Folder of the run; without it runs/ and the name of the config or preset")
      ->type_name("DIR");
  command.add_flag("--resume", resume,
                   "Go on with a run that was stopped; the result is the same bit for bit");
  command.add_flag("--dry-run", dry_run, "Print the whole config as it would be used, and stop");
  command.add_flag("--explain-config", explain,
                   "Print every key, its value and where it was set, and stop");
  command.add_flag("--plan", plan,
                   "Print parameters and the memory that training will take, and stop");
}

ConfigTree ExperimentFlags::layers() const {
  if (config.empty() && preset.empty())
    throw UsageError({.where = "CONFIG.toml",
                      .what = "nothing says what to do",
                      .expected = "a config file or --preset NAME",
                      .hint = "equipoise list presets shows the built-in ones"});
  ConfigTree tree;
  if (!preset.empty()) tree.add_text(pipeline::find_preset(preset).toml, "preset " + preset);
  if (!config.empty()) tree.add_file(config);
  for (const std::string& assignment : assignments) tree.add_assignment(assignment);
  return tree;
}

pipeline::ExperimentConfig ExperimentFlags::resolve() const {
  ConfigTree tree = layers();
  return pipeline::resolve_config(tree);
}

std::filesystem::path ExperimentFlags::folder() const {
  if (!out.empty()) return out;
  return std::filesystem::path("runs") /
         (config.empty() ? preset : std::filesystem::path(config).stem().string());
}

std::string ExperimentFlags::description() const {
  if (plan) {
    track::TerminalProgress progress(stderr);
    return pipeline::to_text(pipeline::make_plan(resolve(), progress));
  }
  ConfigTree tree = layers();
  const nlohmann::ordered_json resolved = pipeline::resolve_config(tree).to_json();
  if (!explain) return to_toml(resolved);
  std::string text;
  explain_leaves(resolved, "", tree, text);
  return text;
}

int ExperimentFlags::run(const pipeline::ExperimentConfig& experiment) const {
  if (const int64_t size = launched_group()->size(); size > 1)
    throw UsageError({.where = "mpirun",
                      .what = "several processes can only train",
                      .got = fmt::format("{} processes of 'equipoise run'", size),
                      .expected = "'equipoise train'",
                      .hint = "Start 'equipoise run' as one process"});
  track::TerminalProgress progress(stderr);
  pipeline::run_experiment(experiment, folder(), resume, progress);
  fmt::print("report: {}\n", (folder() / "report.html").string());
  return 0;
}

int ExperimentFlags::train(const pipeline::ExperimentConfig& experiment) const {
  const std::shared_ptr<const ProcessGroup> processes = launched_group();
  if (processes->rank() > 0) {
    SilentProgress progress;
    pipeline::train_experiment(experiment, folder(), resume, progress, processes);
    return 0;
  }
  track::TerminalProgress progress(stderr);
  pipeline::train_experiment(experiment, folder(), resume, progress, processes);
  fmt::print("model: {}\n",
             (folder() / "models" / (experiment.methods.front().name + ".safetensors")).string());
  return 0;
}

}  // namespace equipoise::cli
