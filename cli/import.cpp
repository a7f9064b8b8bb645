// equipoise import: published weights as a model file.
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "diffusion/import_adm.h"
#include "diffusion/import_edm.h"

namespace equipoise::cli {
namespace {

/// What one kind of published weights is called and how it is imported.
struct WeightsKind {
  const char *weights_help, *config_help, *prefix_help, *prefix_example;
  bool needs_config;
  diffusion::ModelConfig (*import)(const std::filesystem::path& weights,
                                   const diffusion::ImportOptions& options,
                                   const std::filesystem::path& out);
};

Action declare_weights(CLI::App& command, const WeightsKind& kind) {
  struct Flags {
    std::filesystem::path weights, out;
    diffusion::ImportOptions options;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("weights", flags->weights, kind.weights_help)
      ->required()
      ->type_name("WEIGHTS.safetensors");
  command.add_option("--out", flags->out, "Model file to write")
      ->required()
      ->type_name("M.safetensors");
  command.add_option("--config", flags->options.config, kind.config_help)
      ->required(kind.needs_config)
      ->type_name("C.json");
  command.add_option("--prefix", flags->options.prefix, kind.prefix_help)
      ->type_name(kind.prefix_example);
  return [flags, kind] {
    const diffusion::ModelConfig model = kind.import(flags->weights, flags->options, flags->out);
    fmt::print("{} with {} preconditioning, {} x {} x {}, {} classes: {}\n",
               model.network.at("type").get<std::string>(), model.preconditioning,
               model.shape.channels, model.shape.resolution, model.shape.resolution,
               model.shape.label_dim, flags->out.string());
    return 0;
  };
}

Action declare_edm(CLI::App& command) {
  return declare_weights(
      command, {.weights_help = "Tensors under the release's names (tools/edm_to_safetensors.py)",
                .config_help = "JSON with precond, interface and model, over the file's own",
                .prefix_help = "What stands before \"model.\" in the names; found by itself",
                .prefix_example = "weights.",
                .needs_config = false,
                .import = diffusion::import_edm});
}

Action declare_adm(CLI::App& command) {
  return declare_weights(
      command,
      {.weights_help = "Tensors under the release's names (tools/adm_to_safetensors.py)",
       .config_help = "JSON with the release's flags: image_size, num_channels, learn_sigma, …",
       .prefix_help = "What stands before \"input_blocks.\" in the names; found by itself",
       .prefix_example = "ema.",
       .needs_config = true,
       .import = diffusion::import_adm});
}

}  // namespace

Action declare_import(CLI::App& command) {
  return add_commands(
      command,
      {{"edm", "Weights of the EDM release's networks (DDPM++, NCSN++, ADM)", declare_edm},
       {"adm", "Weights of guided-diffusion's pixel-space networks (ADM, iDDPM)", declare_adm}});
}

}  // namespace equipoise::cli
