// Markup that cannot be broken by what it shows: text is escaped on the way in, unless it is said
// to be markup.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace equipoise::report {

/// `text` with & < > " ' written as entities: safe between tags and inside quoted attributes.
std::string escape_html(std::string_view text);

/// A piece of a page. Made from text it is escaped; only `markup` takes a string as it is.
class Html {
 public:
  Html() = default;
  Html(std::string_view text)
      : markup_(escape_html(text)) {}  // NOLINT: text becomes Html wherever Html is wanted
  Html(const char* text) : Html(std::string_view(text)) {}
  Html(const std::string& text) : Html(std::string_view(text)) {}
  /// For markup from our own sources, never for anything that came from a file.
  static Html markup(std::string_view trusted);

  Html& operator+=(const Html& more);
  bool empty() const { return markup_.empty(); }
  const std::string& str() const { return markup_; }

 private:
  std::string markup_;
};

using Attributes = std::vector<std::pair<std::string_view, std::string>>;

/// <tag name="value" …>content</tag>; attribute values are escaped.
Html element(std::string_view tag, const Attributes& attributes, const Html& content);
/// <tag name="value" …> for elements that have no content, such as img.
Html void_element(std::string_view tag, const Attributes& attributes);

}  // namespace equipoise::report
