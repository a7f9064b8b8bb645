// equipoise: flags in, one library call, an exit code out.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/process.h"
#include "core/process_group.h"
#include "failure.h"

namespace equipoise::cli {
namespace {

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"demo", "The main job on real images that are already on this machine, from data to report",
       declare_demo},
      {"run", "The main job on your data: train the methods side by side, sample, measure, report",
       declare_run},
      {"data", "Check, split or convert an image set", declare_data},
      {"train", "Train one model", declare_train},
      {"sample", "Draw images from a model", declare_sample},
      {"guide", "Train the discriminator that guides a model while it is sampled", declare_guide},
      {"minority", "Score, bin and steer towards what a model rarely draws", declare_minority},
      {"evaluate", "Measure a set of samples against a reference set", declare_evaluate},
      {"audit", "Ask a conditional model what it makes of words and groups", declare_audit},
      {"gate", "Check measured numbers against what is required of them", declare_gate},
      {"report", "Write the report of a run again", declare_report},
      {"serve", "Watch runs as they go, in a browser on this machine", declare_serve},
      {"events", "Write a run's TensorBoard event file again", declare_events},
      {"import", "Bring in weights that were trained elsewhere", declare_import},
      {"list", "What there is to choose from", declare_list},
      {"doctor", "What this machine has, what slows it down, and how to mend it", declare_doctor},
  };
  return table;
}

/// Known before the flags are read, because errors in the flags are reported that way too.
bool take_flag(std::vector<std::string>& arguments, const std::string& flag) {
  return std::erase(arguments, flag) > 0;
}

int run_program(std::vector<std::string> arguments) {
  const bool as_json = take_flag(arguments, "--json-errors");
  CLI::App program("Training and measuring generative image models on biased data.", "equipoise");
  program.set_version_flag("--version", "equipoise " EQUIPOISE_VERSION);
  bool unused = false;  // taken off the arguments above; here for --help
  program.add_flag("--json-errors", unused,
                   "Report failures as one line of JSON; may stand anywhere");
  program.footer(
      "Start with: equipoise demo\n"
      "Exit codes: 0 done, 1 a requirement of gate fails, 2 flags or config, 3 data, 4 numbers, "
      "5 environment, 70 a bug, 130 stopped on request.");
  const Action action = add_commands(program, commands());
  if (arguments.empty()) {
    fmt::print(stderr, "{}", program.help());
    return 2;
  }
  try {
    std::reverse(arguments.begin(), arguments.end());  // CLI11 reads from the back
    program.parse(std::move(arguments));
    return action();
  } catch (const CLI::Success& help_or_version) {
    return program.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    try {
      throw usage_error(program, error);
    } catch (const UsageError&) {
      return report_failure(as_json);
    }
  } catch (...) {
    return report_failure(as_json);
  }
}

}  // namespace
}  // namespace equipoise::cli

int main(int argc, char** argv) {
  equipoise::set_up_process();
  const int code = equipoise::cli::run_program({argv + 1, argv + argc});
  if (code != 0 && code != equipoise::cli::kInterruptedCode)
    equipoise::abandon_launched_group(code);
  return code;
}
