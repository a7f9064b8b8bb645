#include "report/markdown_report.h"

#include "io/files.h"
#include "report/result_tables.h"

namespace equipoise::report {
namespace {

std::string findings_text(const Json& results) {
  std::string text;
  for (const Finding& finding : sorted_findings(results)) {
    text += "- **" + finding.severity + "**, " + escape_markdown(finding.subject) + ": " +
            escape_markdown(finding.text);
    if (!finding.limits.empty()) text += " Limits: " + escape_markdown(finding.limits);
    text += "\n";
  }
  return text.empty() ? "No findings were recorded.\n" : text;
}

}  // namespace

std::string report_markdown(const Json& results) {
  const std::string title = text_at(results, "/title");
  std::string text = "# " + escape_markdown(title.empty() ? "Equipoise report" : title) + "\n\n";
  text += "## Findings\n\n" + findings_text(results);
  for (const Table& table :
       {methods_table(results), costs_table(results), shares_table(results),
        composition_table(results), stages_table(results), identity_table(results)}) {
    if (!table.rows.empty()) text += "\n## " + table.caption + "\n\n" + to_markdown(table);
  }
  return text;
}

void write_markdown(const std::filesystem::path& run_dir, const std::filesystem::path& out_path) {
  io::write_file_atomically(out_path, report_markdown(load_results(run_dir)));
}

}  // namespace equipoise::report
