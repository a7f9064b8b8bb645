// equipoise report: one run's results as a page, or several runs beside each other.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "core/error.h"
#include "report/comparison_report.h"
#include "report/documents.h"
#include "report/html_report.h"
#include "report/markdown_report.h"

namespace equipoise::cli {
namespace {

std::filesystem::path report_run(const std::filesystem::path& run,
                                 const std::filesystem::path& out) {
  if (out.empty()) {
    report::write_documents(run);
    return run / "report.html";
  }
  const bool is_markdown = out.extension() == ".md";
  (is_markdown ? report::write_markdown : report::write_report)(run, out);
  return out;
}

}  // namespace

Action declare_report(CLI::App& command) {
  struct Flags {
    std::vector<std::filesystem::path> runs;
    std::filesystem::path out;
    std::string baseline;
  };
  auto flags = std::make_shared<Flags>();
  command
      .add_option("runs", flags->runs,
                  "Folder of a run, with results.json in it; of several runs, a comparison is made")
      ->required()
      ->type_name("RUN_DIR");
  command
      .add_option(
          "--out", flags->out,
          "Page to write; .md gives its tables as Markdown, .json the numbers of a "
          "comparison; else RUN_DIR/report.html with report.md, data-sheet.md and model cards, "
          "or comparison.html here")
      ->type_name("report.html");
  command
      .add_option("--baseline", flags->baseline,
                  "Method that a comparison holds the others against; else the first that all "
                  "runs have")
      ->type_name("METHOD");
  return [flags] {
    if (flags->runs.size() == 1) {
      if (!flags->baseline.empty())
        throw UsageError({.where = "report --baseline",
                          .what = "a single run is not compared",
                          .got = flags->baseline,
                          .expected = "two run folders or more"});
      fmt::print("{}\n", report_run(flags->runs.front(), flags->out).string());
      return 0;
    }
    const std::filesystem::path out = flags->out.empty() ? "comparison.html" : flags->out;
    report::write_comparison(report::compare_runs(flags->runs, flags->baseline), out);
    fmt::print("{}\n", out.string());
    return 0;
  };
}

}  // namespace equipoise::cli
