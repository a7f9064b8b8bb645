#include "report/html_report.h"

#include "io/files.h"
#include "report/page.h"

namespace equipoise::report {
namespace {

PageHead page_head(const Json& results) {
  PageHead head = {.kicker = "Equipoise report",
                   .title = text_at(results, "/title"),
                   .facts = text_at(results, "/data/source")};
  if (head.title.empty()) head.title = "Equipoise report";
  const auto add = [&](const std::string& text) {
    head.facts += (head.facts.empty() ? "" : " · ") + text;
  };
  if (const std::string seed = text_at(results, "/seed"); !seed.empty()) add("seed " + seed);
  if (const std::string version = text_at(results, "/software/equipoise"); !version.empty())
    add("Equipoise " + version);
  return head;
}

}  // namespace

std::string report_html(const std::filesystem::path& run_dir) {
  const Json results = load_results(run_dir);
  return page_html(
      page_head(results),
      {findings_section(results), methods_section(results), data_section(results),
       samples_section(results, run_dir), shares_section(results), results_section(results),
       sampling_section(results), training_section(results, run_dir), directions_section(results),
       constraints_section(results), ratio_section(results), labels_section(results),
       audit_section(results), classifier_section(results), provenance_section(results)});
}

void write_report(const std::filesystem::path& run_dir, const std::filesystem::path& out_path) {
  io::write_file_atomically(out_path, report_html(run_dir));
}

}  // namespace equipoise::report
