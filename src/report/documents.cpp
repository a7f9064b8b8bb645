#include "report/documents.h"

#include "report/cards.h"
#include "report/html_report.h"
#include "report/markdown_report.h"

namespace equipoise::report {

void write_documents(const std::filesystem::path& run_dir) {
  write_report(run_dir, run_dir / "report.html");
  write_markdown(run_dir, run_dir / "report.md");
  write_cards(run_dir);
}

}  // namespace equipoise::report
