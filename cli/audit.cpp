// equipoise audit: what a conditional model's own answers say of its bias.
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/error.h"
#include "core/parallel.h"
#include "io/files.h"
#include "pipeline/audit_model.h"
#include "track/terminal_progress.h"

namespace equipoise::cli {
namespace {

struct Flags {
  pipeline::AuditJob job;
  std::string word_file, json;
  std::vector<std::string> generated;
  int64_t threads = 0;
};

/// "WORD=DATASET" into its parts.
std::map<std::string, std::string> by_word(const std::vector<std::string>& assignments) {
  std::map<std::string, std::string> sets;
  for (const std::string& assignment : assignments) {
    const size_t equals = assignment.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError({.where = "--generated",
                        .what = "not a word and its samples",
                        .got = assignment,
                        .expected = "WORD=DATASET",
                        .hint = ""});
    sets[assignment.substr(0, equals)] = assignment.substr(equals + 1);
  }
  return sets;
}

int audit(const Flags& flags) {
  pipeline::AuditJob job = flags.job;
  if (!flags.word_file.empty()) job.word_file = flags.word_file;
  job.generated = by_word(flags.generated);
  job.num_workers = flags.threads > 0 ? flags.threads : num_cores();
  track::TerminalProgress progress(stderr);
  const nlohmann::ordered_json found = pipeline::audit_model(job, progress);
  fmt::print("{}", pipeline::audit_text(found));
  if (!flags.json.empty()) io::write_file_atomically(flags.json, found.dump(2) + "\n");
  return 0;
}

}  // namespace

Action declare_audit(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  pipeline::AuditJob& job = flags->job;
  command.add_option("--model", job.model, "Model told of words or classes")
      ->required()
      ->type_name("M.safetensors");
  command.add_option("--images", job.images, "Real images of known groups")
      ->required()
      ->type_name("DATASET");
  command.add_option("--attribute", job.attribute, "Whose values the prompts are for")
      ->capture_default_str()
      ->type_name("A");
  command.add_option("--methods", job.methods, "Which audits; all if not given")
      ->delimiter(',')
      ->type_name("NAME,NAME");
  command
      .add_option("--prompts", job.prompts,
                  "A word a value of the attribute, in their order; the model's own if not given")
      ->delimiter(',')
      ->type_name("WORD,WORD");
  command
      .add_option("--neutral", job.neutral,
                  "Word that is decomposed; one that all groups were shown with if not given")
      ->type_name("WORD");
  command
      .add_option("--word-file", flags->word_file,
                  "Word vectors the model was made with, for words it was not trained on")
      ->type_name("FILE");
  command
      .add_option("--generated", flags->generated,
                  "Samples made for a word, which embedding_bias then judges it by")
      ->type_name("WORD=DATASET");
  command.add_option("--num", job.num_images, "Images, drawn from the set")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--steps", job.steps, "Noise levels, as steps of 0 to 999")
      ->delimiter(',')
      ->default_str(fmt::format("{}", fmt::join(job.steps, ",")))
      ->type_name("T,T");
  command.add_option("--draws", job.num_draws, "Draws of noise an image and step")
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--elbo-draws", job.elbo_draws,
                  "Draws of step and noise an image, for elbo; 0 = as many forward passes as "
                  "score_decomposition takes")
      ->capture_default_str()
      ->type_name("N");
  command
      .add_option("--distance-power", job.distance_power,
                  "p of score_decomposition_distance, -|s_0 - s_k|_p")
      ->capture_default_str()
      ->check(CLI::Range(1.0, 100.0))
      ->type_name("P");
  command.add_option("--tolerance", job.tolerance, "How far from 0 a balance may be")
      ->capture_default_str()
      ->type_name("X");
  command
      .add_option("--json", flags->json, "Write all numbers and how they were made to this file")
      ->type_name("OUT");
  command.add_option("--seed", job.seed, "Everything random hangs on it")
      ->capture_default_str()
      ->type_name("N");
  command.add_option("--threads", flags->threads, "Workers; 0 = one a core")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  command.add_option("--device", job.device, "cpu, cuda, cuda:1")
      ->capture_default_str()
      ->type_name("NAME");
  std::string names;
  for (const std::string& name : pipeline::audit_methods()) names += "\n  " + name;
  command.footer("Methods:" + names);
  return [flags] { return audit(*flags); };
}

}  // namespace equipoise::cli
