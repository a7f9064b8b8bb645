// equipoise import edm: published weights as a model file.
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "diffusion/import_edm.h"

namespace equipoise::cli {
namespace {

Action declare_edm(CLI::App& command) {
  struct Flags {
    std::filesystem::path weights, out;
    diffusion::ImportOptions options;
  };
  auto flags = std::make_shared<Flags>();
  command
      .add_option("weights", flags->weights,
                  "Tensors under the release's names (tools/edm_to_safetensors.py)")
      ->required()
      ->type_name("WEIGHTS.safetensors");
  command.add_option("--out", flags->out, "Model file to write")
      ->required()
      ->type_name("M.safetensors");
  command
      .add_option("--config", flags->options.config,
                  "JSON with precond, interface and model, over the file's own")
      ->type_name("C.json");
  command
      .add_option("--prefix", flags->options.prefix,
                  "What stands before \"model.\" in the names; found by itself")
      ->type_name("weights.");
  return [flags] {
    const diffusion::ModelConfig model =
        diffusion::import_edm(flags->weights, flags->options, flags->out);
    fmt::print("{} with {} preconditioning, {} x {} x {}, {} classes: {}\n",
               model.network.at("type").get<std::string>(), model.preconditioning,
               model.shape.channels, model.shape.resolution, model.shape.resolution,
               model.shape.label_dim, flags->out.string());
    return 0;
  };
}

}  // namespace

Action declare_import(CLI::App& command) {
  return add_commands(
      command,
      {{"edm", "Weights of the EDM release's networks (DDPM++, NCSN++, ADM)", declare_edm}});
}

}  // namespace equipoise::cli
