#include "command.h"

#include <map>

#include <CLI/CLI.hpp>

namespace equipoise::cli {

Action add_commands(CLI::App& parent, const std::vector<Command>& commands) {
  parent.require_subcommand(1);
  std::map<std::string, Action> actions;
  for (const Command& command : commands)
    actions[command.name] = command.declare(*parent.add_subcommand(command.name, command.summary));
  return [&parent, actions] { return actions.at(parent.get_subcommands().front()->get_name())(); };
}

}  // namespace equipoise::cli
