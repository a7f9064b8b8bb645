// equipoise guide: a discriminator that guides a given model.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/config.h"
#include "core/error.h"
#include "core/parallel.h"
#include "data/dataset_reader.h"
#include "nets/discriminator.h"
#include "pipeline/guide.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

struct Flags {
  pipeline::GuideJob job;
  std::string real, sampler = "heun";
  std::vector<std::string> assignments;
  int64_t threads = 0;
};

pipeline::GuideConfig resolved(const std::vector<std::string>& assignments) {
  ConfigTree tree;
  for (const std::string& assignment : assignments) tree.add_assignment(assignment);
  pipeline::GuideConfig config;
  tree.read("", config);
  if (tree.has("network")) config.network = tree.value("network");
  if (!config.network.contains("type")) config.network["type"] = "CNN";
  tree.accept_all_below("network");
  tree.finish();
  return config;
}

int guide(const Flags& flags) {
  pipeline::GuideJob job = flags.job;
  job.method = pipeline::parse_sampling_method(flags.sampler, {}, std::nullopt);
  job.config = resolved(flags.assignments);
  const data::ImageSet real = data::load_images(flags.real);
  job.real = {.images = real.images, .labels = real.labels};
  const auto beside_model = [&](const char* suffix) {
    std::filesystem::path path = job.model;
    return path.replace_extension(suffix);
  };
  if (job.out.empty()) job.out = beside_model(".discriminator.safetensors");
  if (job.generated.empty()) job.generated = beside_model(".generated.npz");
  job.num_workers = flags.threads > 0 ? flags.threads : num_cores();
  track::TerminalProgress progress(stderr);
  const nlohmann::json made = pipeline::train_guide(job, progress);
  fmt::print("held-out cross-entropy {:.4f} (0.6931 = cannot tell samples from real images): {}\n",
             made.at("heldout_bce").get<double>(), job.out.string());
  return 0;
}

}  // namespace

Action declare_guide(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("--model", flags->job.model, "Model to be guided")
      ->required()
      ->type_name("M.safetensors");
  command
      .add_option("--real", flags->real,
                  "Images the samples should look like: the training set for quality, a balanced "
                  "reference set against bias")
      ->required()
      ->type_name("DATASET");
  command
      .add_option("--out", flags->job.out,
                  "Discriminator to write; M.discriminator.safetensors beside the model if not "
                  "given, where 'sample --guidance' looks for it")
      ->type_name("D.safetensors");
  command
      .add_option("--generated", flags->job.generated,
                  "Samples of the model: read if the file is there, else drawn and kept; "
                  "M.generated.npz if not given")
      ->type_name("FILE.npz");
  command
      .add_option("--sampler", flags->sampler,
                  "Solver that draws them: the one that will be guided")
      ->capture_default_str()
      ->type_name("NAME[:key=value,...]");
  command.add_option("--seed", flags->job.seed, "Everything random hangs on it")
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--set", flags->assignments,
                  "Option of the training, e.g. train.images=400000, generated=20000, "
                  "network.channels=[64,128]")
      ->type_name("key=value");
  command.add_flag("--resume", flags->job.resume, "Go on where training was interrupted");
  command.add_option("--threads", flags->threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command.add_option("--device", flags->job.device, "cpu, cuda, cuda:1")
      ->capture_default_str()
      ->type_name("NAME");
  const pipeline::GuideConfig defaults;
  command.footer("Options for --set:\n" + help_text(defaults));
  return [flags] { return guide(*flags); };
}

}  // namespace equipoise::cli
