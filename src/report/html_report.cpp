#include "report/html_report.h"

#include <vector>

#include "io/files.h"
#include "report/assets.h"
#include "report/sections.h"

namespace equipoise::report {
namespace {

std::vector<Section> all_sections(const Json& results, const std::filesystem::path& run_dir) {
  std::vector<Section> sections = {findings_section(results),  methods_section(results),
                                   data_section(results),      samples_section(results, run_dir),
                                   shares_section(results),    results_section(results),
                                   sampling_section(results),  training_section(results, run_dir),
                                   ratio_section(results),     classifier_section(results),
                                   provenance_section(results)};
  std::erase_if(sections, [](const Section& section) { return section.body.empty(); });
  return sections;
}

std::string page_title(const Json& results) {
  const std::string title = text_at(results, "/title");
  return title.empty() ? "Equipoise report" : title;
}

Html head(const Json& results) {
  Html html = void_element("meta", {{"charset", "utf-8"}});
  html += void_element("meta",
                       {{"http-equiv", "Content-Security-Policy"}, {"content", kContentPolicy}});
  html += void_element("meta",
                       {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html += void_element("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html += element("title", {}, page_title(results));
  html += element("style", {}, Html::markup(style_sheet()));
  return element("head", {}, html);
}

Html masthead(const Json& results) {
  Html html = element("p", {{"class", "kicker"}}, "Equipoise report");
  html += element("h1", {}, page_title(results));
  std::string facts = text_at(results, "/data/source");
  const auto add = [&](const std::string& text) { facts += (facts.empty() ? "" : " · ") + text; };
  if (const std::string seed = text_at(results, "/seed"); !seed.empty()) add("seed " + seed);
  if (const std::string version = text_at(results, "/software/equipoise"); !version.empty())
    add("Equipoise " + version);
  html += element("p", {{"class", "facts"}}, facts);
  return element("header", {}, html);
}

Html navigation(const std::vector<Section>& sections) {
  Html items;
  for (const Section& section : sections)
    items += element("li", {}, element("a", {{"href", "#" + section.id}}, section.title));
  return element("nav", {{"aria-label", "Sections"}}, element("ol", {}, items));
}

Html section_html(const Section& section) {
  Html html = element("h2", {{"id", section.id + "-title"}}, section.title);
  html += section.body;
  return element("section", {{"id", section.id}, {"aria-labelledby", section.id + "-title"}}, html);
}

Html body(const Json& results, const std::filesystem::path& run_dir) {
  const std::vector<Section> sections = all_sections(results, run_dir);
  Html content = masthead(results);
  if (chart_library().empty())
    content += element("p", {{"class", "warning"}},
                       "This program was built without npm, so the charts are left out; their "
                       "numbers are in the tables.");
  for (const Section& section : sections) content += section_html(section);
  Html html = element("a", {{"class", "skip"}, {"href", "#content"}}, "Skip to the content");
  html += navigation(sections);
  html += element("main", {{"id", "content"}}, content);
  if (!chart_library().empty()) {
    html += element("script", {}, Html::markup(chart_library()));
    html += element("script", {}, Html::markup(page_script()));
  }
  return element("body", {}, html);
}

}  // namespace

std::string report_html(const std::filesystem::path& run_dir) {
  const Json results = load_results(run_dir);
  Html page = head(results);
  page += body(results, run_dir);
  return "<!doctype html>\n" + element("html", {{"lang", "en"}}, page).str();
}

void write_report(const std::filesystem::path& run_dir, const std::filesystem::path& out_path) {
  io::write_file_atomically(out_path, report_html(run_dir));
}

}  // namespace equipoise::report
