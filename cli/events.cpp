// equipoise events: a run's event file for TensorBoard, made again from the run's own files.
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "track/run_events.h"

namespace equipoise::cli {

Action declare_events(CLI::App& command) {
  auto run = std::make_shared<std::filesystem::path>();
  command.add_option("run", *run, "Folder of a run that no process works on")
      ->required()
      ->type_name("RUN_DIR");
  command.footer(
      "A run writes RUN_DIR/events/ as it goes; this adds a file that tells all of it once more,\n"
      "from stats.jsonl, models/, samples/ and results.json.");
  return [run] {
    fmt::print("{}\n", track::rebuild_events(*run).string());
    return 0;
  };
}

}  // namespace equipoise::cli
