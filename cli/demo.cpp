// equipoise demo: the main job with nothing to bring along.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/error.h"
#include "data/dataset_reader.h"
#include "experiment_flags.h"

namespace equipoise::cli {
namespace {

constexpr const char* kPreset = "fashion-demo";

void check_images_are_here(const std::string& spec) {
  try {
    data::parse_dataset_spec(spec);
  } catch (const DataError& error) {
    throw DataError({.where = error.detail().where,
                     .what = "the demo's images are not on this machine",
                     .hint = "Install them with: apt-get install dataset-fashion-mnist"});
  }
}

}  // namespace

Action declare_demo(CLI::App& command) {
  auto flags = std::make_shared<ExperimentFlags>();
  flags->preset = kPreset;
  flags->out = "runs/demo";
  command.add_option("--out", flags->out, "Folder of the run")
      ->capture_default_str()
      ->type_name("DIR");
  command.add_flag("--resume", flags->resume, "Go on with a demo that was stopped");
  command.footer(
      fmt::format("Clothing photographs (Fashion-MNIST, Debian package dataset-fashion-mnist), "
                  "three of the ten kinds made rare;\n"
                  "the same as: equipoise run --preset {} --out runs/demo",
                  kPreset));
  return [flags] {
    const pipeline::ExperimentConfig config = flags->resolve();
    check_images_are_here(config.data.path);
    return flags->run(config);
  };
}

}  // namespace equipoise::cli
