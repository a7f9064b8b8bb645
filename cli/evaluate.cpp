// equipoise evaluate: samples against a reference set, without training anything.
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/parallel.h"
#include "io/files.h"
#include "pipeline/evaluate.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

struct Flags {
  pipeline::EvaluateJob job;
  std::string classifier, json;
  int64_t threads = 0;
};

int evaluate(const Flags& flags) {
  pipeline::EvaluateJob job = flags.job;
  if (!flags.classifier.empty()) job.classifier = flags.classifier;
  job.num_workers = flags.threads > 0 ? flags.threads : num_cores();
  track::TerminalProgress progress(stderr);
  const nlohmann::json evaluation = pipeline::evaluate_samples(job, progress);
  fmt::print("{}", pipeline::evaluation_text(evaluation));
  if (!flags.json.empty()) io::write_file_atomically(flags.json, evaluation.dump(2) + "\n");
  return 0;
}

}  // namespace

Action declare_evaluate(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command.add_option("--samples", flags->job.samples, "What a model made: a data set")
      ->required()
      ->type_name("S");
  command.add_option("--reference", flags->job.reference, "What it should look like: a data set")
      ->required()
      ->type_name("R");
  command
      .add_option("--classifier", flags->classifier,
                  "Classifier of a run: gives group shares and features")
      ->type_name("C.safetensors");
  command
      .add_option("--json", flags->json, "Write the numbers and how they were made to this file")
      ->type_name("OUT");
  command.add_option("--seed", flags->job.seed, "Seed of the resampling behind intervals")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--threads", flags->threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command.footer(
      "Without a classifier distances are measured on pixels, and there are no group shares.");
  return [flags] { return evaluate(*flags); };
}

}  // namespace equipoise::cli
