// Which experiment, where to, and whether it goes on: what demo, run and train share.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "pipeline/experiment_config.h"

namespace equipoise::cli {

struct ExperimentFlags {
  std::string config;
  std::string preset;
  std::vector<std::string> assignments;
  std::string out;
  bool resume = false;
  bool dry_run = false;
  bool explain = false;
  bool plan = false;

  /// CONFIG.toml, --preset, --set, --out, --resume, --dry-run, --explain-config, --plan.
  void add_to(CLI::App& command);
  /// defaults < --preset < CONFIG.toml < --set.
  ConfigTree layers() const;
  pipeline::ExperimentConfig resolve() const;
  /// --out, or runs/NAME after the config or the preset.
  std::filesystem::path folder() const;
  /// The whole job, with progress on stderr; says where the report is.
  int run(const pipeline::ExperimentConfig& config) const;
  /// One model.
  int train(const pipeline::ExperimentConfig& config) const;
  /// One of --dry-run, --explain-config and --plan is given.
  bool only_describes() const { return dry_run || explain || plan; }
  /// What these print.
  std::string description() const;
};

}  // namespace equipoise::cli
