#include "report/table.h"

#include "report/charts.h"

namespace equipoise::report {
namespace {

Attributes cell_attributes(const Table& table, size_t index) {
  const bool is_number = index < table.columns.size() && table.columns[index].is_number;
  return is_number ? Attributes{{"class", "number"}} : Attributes{};
}

Html head_row(const Table& table) {
  Html cells;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    Attributes attributes = cell_attributes(table, i);
    attributes.emplace_back("scope", "col");
    cells += element("th", attributes, table.columns[i].title);
  }
  return element("tr", {}, cells);
}

Html body_row(const Table& table, const Row& row) {
  Html cells;
  for (size_t i = 0; i < row.cells.size(); ++i) {
    Attributes attributes = cell_attributes(table, i);
    Html content;
    if (i == 0) {
      attributes.emplace_back("scope", "row");
      content += colour_key(row.hue);
    }
    content += row.cells[i];
    cells += element(i == 0 ? "th" : "td", attributes, content);
  }
  return element("tr", {}, cells);
}

}  // namespace

Html colour_key(int hue) {
  if (hue == kNoHue) return {};
  return element("span", {{"class", "key"}, {"style", "background:" + method_colour(hue)}}, {});
}

Html to_html(const Table& table) {
  Html content;
  if (!table.caption.empty()) content += element("caption", {}, table.caption);
  content += element("thead", {}, head_row(table));
  Html rows;
  for (const Row& row : table.rows) rows += body_row(table, row);
  content += element("tbody", {}, rows);
  const std::string label = table.caption.empty() ? table.columns.front().title : table.caption;
  return element(
      "div", {{"class", "scroll"}, {"role", "region"}, {"tabindex", "0"}, {"aria-label", label}},
      element("table", {}, content));
}

std::string escape_markdown(const std::string& text) {
  std::string escaped;
  for (char c : text) {
    if (std::string_view("\\`*_{}[]<>|#").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

std::string to_markdown(const Table& table) {
  std::string text, rule;
  for (const Column& column : table.columns) {
    text += "| " + escape_markdown(column.title) + " ";
    rule += column.is_number ? "| ---: " : "| --- ";
  }
  text += "|\n" + rule + "|\n";
  for (const Row& row : table.rows) {
    for (const std::string& cell : row.cells) text += "| " + escape_markdown(cell) + " ";
    text += "|\n";
  }
  return text;
}

}  // namespace equipoise::report
