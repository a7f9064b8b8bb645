// How the program ends when something goes wrong: one sentence on stderr and an exit code that says
// of what kind it was.
#pragma once

#include <CLI/CLI.hpp>

#include "core/error.h"

namespace equipoise::cli {

/// 2 usage, 3 data, 4 numbers, 5 environment, 70 a bug, 130 stopped on request.
inline constexpr int kInterruptedCode = 130;
inline constexpr int kBugCode = 70;

/// Flags that could not be read, as one of ours: an unknown command or flag offers the nearest one.
UsageError usage_error(const CLI::App& program, const CLI::ParseError& error);

/// Reports the exception being handled, as text or as a line of JSON; returns the exit code.
int report_failure(bool as_json);

}  // namespace equipoise::cli
