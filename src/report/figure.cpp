#include "report/figure.h"

#include "report/assets.h"

namespace equipoise::report {
namespace {

Html panel_html(const Panel& panel) {
  Html content;
  if (!panel.title.empty()) {
    Html title = colour_key(panel.hue);
    title += panel.title;
    content += element("p", {{"class", "panel-title"}}, title);
  }
  content +=
      element("div", {{"class", "plot"}, {"role", "img"}, {"aria-label", panel.alt_text}}, {});
  content +=
      element("script", {{"type", "application/json"}}, Html::markup(script_json(panel.spec)));
  return element("div", {{"class", "panel"}}, content);
}

Html data_html(const Table& data, bool is_open) {
  Attributes attributes = {{"class", "data"}};
  if (is_open) attributes.emplace_back("open", "");
  Html content = element("summary", {}, "Numbers behind this figure");
  content += to_html(data);
  return element("details", attributes, content);
}

}  // namespace

std::string script_json(const Json& json) {
  std::string text;
  for (char c : json.dump()) text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  return text;
}

Html to_html(const Figure& figure) {
  const bool has_charts = !chart_library().empty();
  Html content = element("h3", {}, figure.title);
  if (has_charts) {
    Html panels;
    for (const Panel& panel : figure.panels) panels += panel_html(panel);
    const int num_columns = static_cast<int>(figure.arrangement);
    content +=
        element("div", {{"class", "panels"}, {"style", "--columns:" + std::to_string(num_columns)}},
                panels);
  }
  if (!figure.caption.empty()) content += element("figcaption", {}, figure.caption);
  content += data_html(figure.data, !has_charts);
  return element("figure", {}, content);
}

}  // namespace equipoise::report
