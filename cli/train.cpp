// equipoise train: one model, without samples and measurements.
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "experiment_flags.h"

namespace equipoise::cli {

Action declare_train(CLI::App& command) {
  auto flags = std::make_shared<ExperimentFlags>();
  flags->add_to(command);
  command.footer(
      "The config names one objective: --set objectives='[\"tiw_dsm\"]'.\n"
      "Leaves in the folder: config.toml, split.json, stats.jsonl, models/.");
  return [flags] {
    if (!flags->only_describes()) return flags->train(flags->resolve());
    fmt::print("{}", flags->description());
    return 0;
  };
}

}  // namespace equipoise::cli
