#include "failure.h"

#include <cstdio>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/spelling.h"
#include "pipeline/stages.h"

namespace equipoise::cli {
namespace {

std::string full_name(const CLI::App& command) {
  return command.get_parent() ? full_name(*command.get_parent()) + " " + command.get_name()
                              : command.get_name();
}

const CLI::App& innermost_command(const CLI::App& program) {
  const CLI::App* command = &program;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

std::vector<std::string> flags_of(const CLI::App& command) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  return flags;
}

std::vector<std::string> commands_below(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* child : command.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(child->get_name());
  return names;
}

UsageError unknown_word(const CLI::App& command, const std::string& word) {
  const std::vector<std::string> commands = commands_below(command);
  const bool is_flag = word.starts_with("-");
  if (!is_flag && !commands.empty()) return unknown_name("command", word, commands);
  const std::string flag = word.substr(0, word.find('='));
  const std::string nearest = is_flag ? nearest_name(flag, flags_of(command)) : "";
  return UsageError({.where = full_name(command),
                     .what = fmt::format("unknown {} '{}'", is_flag ? "flag" : "argument", flag),
                     .hint = nearest.empty() ? fmt::format("See {} --help", full_name(command))
                                             : fmt::format("Did you mean '{}'?", nearest)});
}

int report(const Error& error, bool as_json) {
  fmt::print(stderr, "{}\n",
             as_json ? error.to_json().dump() : fmt::format("equipoise: {}", error.what()));
  return error.exit_code();
}

int report_bug(const std::string& text, bool as_json) {
  return report(
      Error("internal", kBugCode,
            {.what = text,
             .hint = "This is a bug in Equipoise; please report it with the command you ran"}),
      as_json);
}

EnvironmentError out_of_memory() {
  return EnvironmentError(
      {.where = "memory",
       .what = "the machine has too little memory for this",
       .hint =
           "Lower train.micro_batch_size, sample.batch_size or --batch, or use fewer --threads"});
}

int report_torch_error(const c10::Error& error, bool as_json) {
  const std::string text = error.what_without_backtrace();
  const bool lacks_memory = text.find("allocate memory") != std::string::npos ||
                            text.find("out of memory") != std::string::npos;
  return lacks_memory ? report(out_of_memory(), as_json) : report_bug("LibTorch: " + text, as_json);
}

int report_interruption(bool as_json) {
  return report(Error("interrupted", kInterruptedCode, {.what = "stopped; go on with --resume"}),
                as_json);
}

}  // namespace

UsageError usage_error(const CLI::App& program, const CLI::ParseError& error) {
  const CLI::App& command = innermost_command(program);
  const std::vector<std::string> unread = command.remaining();
  if (!unread.empty()) return unknown_word(command, unread.front());
  if (dynamic_cast<const CLI::RequiredError*>(&error) && !commands_below(command).empty())
    return UsageError(
        {.where = full_name(command),
         .what = "a command is missing",
         .expected = fmt::format("one of: {}", fmt::join(commands_below(command), ", "))});
  return UsageError({.where = full_name(command),
                     .what = error.what(),
                     .hint = fmt::format("See {} --help", full_name(command))});
}

int report_failure(bool as_json) {
  try {
    throw;
  } catch (const Error& error) {
    return report(error, as_json);
  } catch (const pipeline::Interrupted&) {
    return report_interruption(as_json);
  } catch (const c10::Error& error) {
    return report_torch_error(error, as_json);
  } catch (const std::bad_alloc&) {
    return report(out_of_memory(), as_json);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(
        EnvironmentError({.where = error.path1().string(), .what = error.code().message()}),
        as_json);
  } catch (const std::exception& error) {
    return report_bug(error.what(), as_json);
  }
}

}  // namespace equipoise::cli
