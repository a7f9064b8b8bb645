#include "report/html.h"

namespace equipoise::report {
namespace {

std::string opening_tag(std::string_view tag, const Attributes& attributes) {
  std::string text = "<";
  text += tag;
  for (const auto& [name, value] : attributes) {
    text += " ";
    text += name;
    text += "=\"" + escape_html(value) + "\"";
  }
  return text + ">";
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

Html Html::markup(std::string_view trusted) {
  Html html;
  html.markup_ = trusted;
  return html;
}

Html& Html::operator+=(const Html& more) {
  markup_ += more.markup_;
  return *this;
}

Html element(std::string_view tag, const Attributes& attributes, const Html& content) {
  return Html::markup(opening_tag(tag, attributes) + content.str() + "</" + std::string(tag) +
                      ">\n");
}

Html void_element(std::string_view tag, const Attributes& attributes) {
  return Html::markup(opening_tag(tag, attributes) + "\n");
}

}  // namespace equipoise::report
