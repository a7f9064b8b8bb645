// The report of one run: a single HTML file that opens offline, everything it shows inside it.
#pragma once

#include <filesystem>
#include <string>

namespace equipoise::report {

/// The page for RUN_DIR/results.json, with the sample grids (or samples) and statistics that stand
/// beside it.
///
/// What the results do not hold is left out. The same run folder gives the same bytes.
/// Throws: DataError when results.json is missing or of another format, or a file it names is
/// damaged.
std::string report_html(const std::filesystem::path& run_dir);

/// Writes that page atomically. Throws EnvironmentError when the disk fails.
void write_report(const std::filesystem::path& run_dir, const std::filesystem::path& out_path);

}  // namespace equipoise::report
