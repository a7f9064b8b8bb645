// The report's findings and tables as Markdown, for a review or a commit message.
#pragma once

#include <filesystem>
#include <string>

#include "report/results.h"

namespace equipoise::report {

std::string report_markdown(const Json& results);
/// Writes it atomically for RUN_DIR/results.json. Throws what `load_results` throws, and
/// EnvironmentError.
void write_markdown(const std::filesystem::path& run_dir, const std::filesystem::path& out_path);

}  // namespace equipoise::report
