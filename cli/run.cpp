// equipoise run: the main job on the user's data.
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "experiment_flags.h"

namespace equipoise::cli {

Action declare_run(CLI::App& command) {
  auto flags = std::make_shared<ExperimentFlags>();
  flags->add_to(command);
  command.footer(
      "Layers, the last wins: defaults, --preset, CONFIG.toml, --set.\n"
      "Leaves in the folder: config.toml, split.json, stats.jsonl, models/, samples/, "
      "results.json, report.html.");
  return [flags] {
    if (!flags->only_describes()) return flags->run(flags->resolve());
    fmt::print("{}", flags->description());
    return 0;
  };
}

}  // namespace equipoise::cli
