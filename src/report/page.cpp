#include "report/page.h"

#include "report/assets.h"

namespace equipoise::report {
namespace {

Html document_head(const std::string& title) {
  Html html = void_element("meta", {{"charset", "utf-8"}});
  html += void_element("meta",
                       {{"http-equiv", "Content-Security-Policy"}, {"content", kContentPolicy}});
  html += void_element("meta",
                       {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
  html += void_element("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
  html += element("title", {}, title);
  html += element("style", {}, Html::markup(style_sheet()));
  return element("head", {}, html);
}

Html masthead(const PageHead& head) {
  Html html = element("p", {{"class", "kicker"}}, head.kicker);
  html += element("h1", {}, head.title);
  html += element("p", {{"class", "facts"}}, head.facts);
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

Html document_body(const PageHead& head, const std::vector<Section>& sections) {
  Html content = masthead(head);
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

std::string page_html(const PageHead& head, std::vector<Section> sections) {
  std::erase_if(sections, [](const Section& section) { return section.body.empty(); });
  Html page = document_head(head.title);
  page += document_body(head, sections);
  return "<!doctype html>\n" + element("html", {{"lang", "en"}}, page).str();
}

}  // namespace equipoise::report
