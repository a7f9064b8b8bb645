#include "report/markdown_report.h"

#include "io/files.h"

namespace equipoise::report {

std::string findings_markdown(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += "- **" + finding.severity + "**, " + escape_markdown(finding.subject) + ": " +
            escape_markdown(finding.text);
    if (!finding.limits.empty()) text += " Limits: " + escape_markdown(finding.limits);
    text += "\n";
  }
  return text.empty() ? "No findings were recorded.\n" : text;
}

std::string tables_markdown(const std::vector<Table>& tables) {
  std::string text;
  for (const Table& table : tables)
    if (!table.rows.empty()) text += "\n## " + table.caption + "\n\n" + to_markdown(table);
  return text;
}

std::string report_markdown(const Json& results) {
  const std::string title = text_at(results, "/title");
  return "# " + escape_markdown(title.empty() ? "Equipoise report" : title) +
         "\n\n## Findings\n\n" + findings_markdown(sorted_findings(results)) +
         tables_markdown({methods_table(results), costs_table(results), shares_table(results),
                          composition_table(results), stages_table(results),
                          identity_table(results)});
}

void write_markdown(const std::filesystem::path& run_dir, const std::filesystem::path& out_path) {
  io::write_file_atomically(out_path, report_markdown(load_results(run_dir)));
}

}  // namespace equipoise::report
