// equipoise gate: do measured numbers satisfy what a script requires of them?
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "audit/gate.h"
#include "command.h"

namespace equipoise::cli {
namespace {

constexpr int kRequirementFails = 1;

}  // namespace

Action declare_gate(CLI::App& command) {
  struct Flags {
    std::filesystem::path file;
    std::vector<std::string> requirements;
    std::string on = "value";
  };
  auto flags = std::make_shared<Flags>();
  command
      .add_option("results", flags->file,
                  "results.json of a run, its folder, or what evaluate --json wrote")
      ->required()
      ->type_name("RESULTS.json");
  command
      .add_option("--require", flags->requirements,
                  "tv<=0.05, tiw_dsm.frechet<=0.3, share.GROUP>=0.4, ...; may be repeated "
                  "(docs/formats/evaluation.md)")
      ->required()
      ->allow_extra_args(false)
      ->type_name("NAME<=NUMBER");
  command.add_option("--on", flags->on, "Which end of a number's interval has to satisfy it")
      ->capture_default_str()
      ->type_name("upper|value|lower");
  command.footer(
      "Exit code 0 when all hold, 1 when one fails, 2 for a number that the file does not hold.");
  return [flags] {
    std::vector<audit::Requirement> requirements;
    for (const std::string& text : flags->requirements)
      requirements.push_back(audit::parse_requirement(text));
    const auto end = audit::interval_end_named(flags->on);
    const auto verdicts = audit::judge(audit::read_measurements(flags->file), requirements, end);
    for (const audit::Verdict& verdict : verdicts) fmt::print("{}\n", audit::to_text(verdict));
    return std::ranges::all_of(verdicts, &audit::Verdict::holds) ? 0 : kRequirementFails;
  };
}

}  // namespace equipoise::cli
