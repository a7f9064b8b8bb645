// equipoise evaluate: samples against a reference set, without training anything.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/error.h"
#include "core/named_options.h"
#include "core/parallel.h"
#include "io/files.h"
#include "pipeline/evaluate.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

struct Flags {
  pipeline::EvaluateJob job;
  std::string classifier, weights, json, save_stats, cache;
  std::vector<std::string> metric_options;
  int64_t threads = 0;
};

/// "frechet.bootstrap=20" as {"frechet": {"bootstrap": 20}}, merged into `options`.
void add_metric_option(const std::string& text, nlohmann::json& options) {
  const size_t dot = text.find('.');
  if (dot == text.npos || dot == 0)
    throw UsageError({.where = "--option",
                      .what = "not an option of a metric",
                      .got = "'" + text + "'",
                      .expected = "METRIC.OPTION=VALUE"});
  options[text.substr(0, dot)].update(parse_options(text.substr(dot + 1), "--option"));
}

pipeline::EvaluateJob job_of(const Flags& flags) {
  pipeline::EvaluateJob job = flags.job;
  if (!flags.classifier.empty()) job.classifier = flags.classifier;
  if (!flags.weights.empty()) job.weights = flags.weights;
  if (!flags.save_stats.empty()) job.save_stats = flags.save_stats;
  if (!flags.cache.empty()) job.cache = flags.cache;
  if (job.metrics == std::vector<std::string>{"all"}) job.metrics.clear();
  for (const std::string& text : flags.metric_options) add_metric_option(text, job.metric_options);
  job.num_workers = flags.threads > 0 ? flags.threads : num_cores();
  return job;
}

/// The forms that state no more than two sets, and perhaps a classifier, print four numbers.
bool is_plain(const Flags& flags) {
  const pipeline::EvaluateJob& job = flags.job;
  return job.features.empty() && job.metrics.empty() && job.group.empty() && !job.class_wise &&
         job.against.empty() && job.target == "reference";
}

int evaluate(const Flags& flags) {
  const pipeline::EvaluateJob job = job_of(flags);
  track::TerminalProgress progress(stderr);
  if (job.samples.empty()) {
    if (!job.save_stats)
      throw UsageError({.where = "equipoise evaluate",
                        .what = "--samples is required",
                        .hint = "Only --save-stats works on a reference alone"});
    const int64_t num_images = pipeline::save_reference_statistics(job, progress);
    fmt::print("mean and covariance of {} images to {}\n", num_images, job.save_stats->string());
    return 0;
  }
  const nlohmann::json evaluation = pipeline::evaluate_samples(job, progress);
  fmt::print("{}", pipeline::evaluation_text(evaluation, /*every_number=*/!is_plain(flags)));
  if (!flags.json.empty()) io::write_file_atomically(flags.json, evaluation.dump(2) + "\n");
  return 0;
}

void add_sets(CLI::App& command, Flags& flags) {
  command.add_option("--samples", flags.job.samples, "What a model made: a data set")
      ->type_name("S");
  command
      .add_option("--reference", flags.job.reference,
                  "What it should look like: a data set, or mean and covariance of --save-stats")
      ->required()
      ->type_name("R");
  command
      .add_option("--against", flags.job.against,
                  "Another model's samples from the same latents: is the difference real?")
      ->type_name("S2");
}

void add_measurements(CLI::App& command, Flags& flags) {
  command
      .add_option("--features", flags.job.features,
                  "Network whose features are compared (equipoise list extractors), classifier or "
                  "pixels")
      ->type_name("NAME[:resize=RULE]");
  command.add_option("--weights", flags.weights, "Weights of that network")
      ->type_name("FILE.safetensors");
  command
      .add_option("--metrics", flags.job.metrics,
                  "What to measure (equipoise list metrics); without it all that is possible")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("A,B,...|all");
  command
      .add_option("--option", flags.metric_options,
                  "Option of a metric, such as frechet.bootstrap=20; may be repeated")
      ->allow_extra_args(false)
      ->type_name("METRIC.OPTION=VALUE");
}

void add_groups(CLI::App& command, Flags& flags) {
  command
      .add_option("--classifier", flags.classifier,
                  "Classifier of a run: gives group shares and features")
      ->type_name("C.safetensors");
  command
      .add_option("--group", flags.job.group,
                  "Attributes that divide the images; without a classifier the samples need them "
                  "too")
      ->type_name("ATTRIBUTE[xATTRIBUTE]");
  command
      .add_option("--target", flags.job.target,
                  "Shares that the groups should have: even, reference, or GROUP=SHARE,...")
      ->capture_default_str()
      ->type_name("SHARES");
  command.add_flag("--class-wise", flags.job.class_wise, "Measure every group apart, too");
  command
      .add_option("--min-group", flags.job.min_group, "Groups of fewer images are left out of that")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
}

void add_files(CLI::App& command, Flags& flags) {
  command.add_option("--json", flags.json, "Write the numbers and how they were made to this file")
      ->type_name("OUT");
  command
      .add_option(
          "--save-stats", flags.save_stats,
          "Write the reference's mean and covariance (mu, sigma); --samples may be left out")
      ->type_name("FILE.npz");
  command.add_option("--cache", flags.cache, "Keep features here, and look for them here first")
      ->type_name("DIR");
}

}  // namespace

Action declare_evaluate(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  add_sets(command, *flags);
  add_measurements(command, *flags);
  add_groups(command, *flags);
  add_files(command, *flags);
  command.add_option("--seed", flags->job.seed, "Seed of the resampling behind intervals")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--threads", flags->threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command.footer(
      "Without a classifier or other features distances are measured on pixels; without a "
      "classifier or --group there are no group shares.");
  return [flags] { return evaluate(*flags); };
}

}  // namespace equipoise::cli
