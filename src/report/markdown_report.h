// Findings and tables as Markdown, for a review or a commit message.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/result_tables.h"
#include "report/results.h"
#include "report/table.h"

namespace equipoise::report {

/// A list, one item a finding.
std::string findings_markdown(const std::vector<Finding>& findings);
/// Each table that has rows, under its caption as a heading.
std::string tables_markdown(const std::vector<Table>& tables);

std::string report_markdown(const Json& results);
/// Writes it atomically for RUN_DIR/results.json. Throws what `load_results` throws, and
/// EnvironmentError.
void write_markdown(const std::filesystem::path& run_dir, const std::filesystem::path& out_path);

}  // namespace equipoise::report
