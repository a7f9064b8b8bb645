// One table, written as HTML or as Markdown.
#pragma once

#include <string>
#include <vector>

#include "report/html.h"

namespace equipoise::report {

inline constexpr int kNoHue = -1;

struct Column {
  std::string title;
  bool is_number = false;  ///< set in tabular figures at the right edge
};

struct Row {
  std::vector<std::string> cells;
  int hue = kNoHue;  ///< the method whose colour marks the row
};

struct Table {
  std::string caption;
  std::vector<Column> columns;
  std::vector<Row> rows;
};

/// The first cell of each row is its header. The table scrolls sideways where the page is too
/// narrow for it.
Html to_html(const Table& table);
std::string to_markdown(const Table& table);
/// Text as Markdown shows it literally, on one line.
std::string escape_markdown(const std::string& text);
/// A small square in a method's colour.
Html colour_key(int hue);

}  // namespace equipoise::report
