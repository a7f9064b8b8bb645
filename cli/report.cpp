// equipoise report: a run's results as one page.
#include <filesystem>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "command.h"
#include "report/html_report.h"
#include "report/markdown_report.h"

namespace equipoise::cli {

Action declare_report(CLI::App& command) {
  struct Flags {
    std::filesystem::path run, out;
  };
  auto flags = std::make_shared<Flags>();
  command.add_option("run", flags->run, "Folder of a run, with results.json in it")
      ->required()
      ->type_name("RUN_DIR");
  command
      .add_option("--out", flags->out,
                  "Page to write; .md gives its tables as Markdown; else RUN_DIR/report.html")
      ->type_name("report.html");
  return [flags] {
    const std::filesystem::path out = flags->out.empty() ? flags->run / "report.html" : flags->out;
    const bool is_markdown = out.extension() == ".md";
    (is_markdown ? report::write_markdown : report::write_report)(flags->run, out);
    fmt::print("{}\n", out.string());
    return 0;
  };
}

}  // namespace equipoise::cli
