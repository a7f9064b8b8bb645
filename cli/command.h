// What a subcommand is to the program: flags, and something to do once they are read.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace equipoise::cli {

/// Does the work; returns the exit code. Throws what the library throws.
using Action = std::function<int()>;

struct Command {
  std::string name;
  std::string summary;
  Action (*declare)(CLI::App& command);  ///< adds the flags and says what to do with them
};

/// Adds `commands` below `parent`, of which the user names exactly one; the action runs that one.
Action add_commands(CLI::App& parent, const std::vector<Command>& commands);

Action declare_demo(CLI::App& command);
Action declare_run(CLI::App& command);
Action declare_data(CLI::App& command);
Action declare_train(CLI::App& command);
Action declare_guide(CLI::App& command);
Action declare_minority(CLI::App& command);
Action declare_sample(CLI::App& command);
Action declare_evaluate(CLI::App& command);
Action declare_audit(CLI::App& command);
Action declare_gate(CLI::App& command);
Action declare_report(CLI::App& command);
Action declare_serve(CLI::App& command);
Action declare_events(CLI::App& command);
Action declare_import(CLI::App& command);
Action declare_list(CLI::App& command);
Action declare_doctor(CLI::App& command);

}  // namespace equipoise::cli
