// Everything written to be read that a run leaves.
#pragma once

#include <filesystem>

namespace equipoise::report {

/// Writes RUN_DIR/report.html, report.md, data-sheet.md and a model card beside every model. The same
/// results give the same bytes. Throws what `report_html` throws, and EnvironmentError.
void write_documents(const std::filesystem::path& run_dir);

}  // namespace equipoise::report
