#include "io/csv.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "core/error.h"
#include "io/files.h"

namespace equipoise::io {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// Cuts text into records, counting lines.
class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& where) : rest_(text), where_(where) {
    if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
  }

  /// The next record, or false at the end. `line()` is then the line it began on.
  bool next(std::vector<std::string>& fields) {
    while (skip_line_break()) continue;
    fields.clear();
    record_line_ = line_;
    if (rest_.empty()) return false;
    do {
      fields.push_back(rest_.starts_with('"') ? quoted_field() : bare_field());
    } while (skip(","));
    if (!rest_.empty() && !skip_line_break())
      fail(line_, "a closing quote is followed by more text");
    return true;
  }
  size_t line() const { return record_line_; }

  [[noreturn]] void fail(size_t line, const std::string& what) const {
    throw DataError({.where = fmt::format("{}:{}", where_, line), .what = what});
  }

 private:
  bool skip(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool skip_line_break() {
    const bool is_break = skip("\n") || skip("\r\n");
    line_ += is_break;
    return is_break;
  }
  std::string bare_field() {
    size_t end = std::min(rest_.find_first_of(",\n"), rest_.size());
    const bool ends_line = end < rest_.size() && rest_[end] == '\n';
    if (ends_line && end > 0 && rest_[end - 1] == '\r') --end;
    std::string field(rest_.substr(0, end));
    if (field.find('"') != field.npos)
      fail(line_, "a quote stands inside a field that does not begin with one");
    rest_.remove_prefix(end);
    return field;
  }
  std::string quoted_field() {
    const size_t opening_line = line_;
    skip("\"");
    for (std::string field;;) {
      const size_t end = rest_.find('"');
      if (end == rest_.npos) fail(opening_line, "the quote opened on this line is never closed");
      const std::string_view piece = rest_.substr(0, end);
      field += piece;
      line_ += static_cast<size_t>(std::count(piece.begin(), piece.end(), '\n'));
      rest_.remove_prefix(end + 1);
      if (!skip("\"")) return field;
      field += '"';  // two quotes stand for one
    }
  }

  std::string_view rest_;
  const std::string& where_;
  size_t line_ = 1;
  size_t record_line_ = 1;
};

void append_record(std::string& text, const std::vector<std::string>& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string& field = fields[i];
    if (i > 0) text += ',';
    // A record that is one empty field would read as an empty line.
    const bool needs_quotes =
        field.find_first_of(",\"\r\n") != field.npos || (fields.size() == 1 && field.empty());
    if (needs_quotes) text += '"';
    for (char character : field) text += character == '"' ? "\"\"" : std::string(1, character);
    if (needs_quotes) text += '"';
  }
  text += '\n';
}

}  // namespace

CsvTable parse_csv(std::string_view text, const std::string& where) {
  CsvParser parser(text, where);
  CsvTable table;
  if (!parser.next(table.header))
    throw DataError({.where = where, .what = "the table is empty", .expected = "a header line"});
  std::vector<std::string> fields;
  while (parser.next(fields)) {
    if (fields.size() != table.header.size())
      parser.fail(parser.line(), fmt::format("the row has {} fields and the header {}",
                                             fields.size(), table.header.size()));
    table.rows.push_back(std::move(fields));
  }
  return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
  return parse_csv(read_maybe_gzip(path), path.string());
}

std::string to_csv(const CsvTable& table) {
  std::string text;
  append_record(text, table.header);
  for (const auto& row : table.rows) append_record(text, row);
  return text;
}

size_t column_index(const CsvTable& table, const std::string& name, const std::string& where) {
  const auto found = std::find(table.header.begin(), table.header.end(), name);
  if (found == table.header.end())
    throw DataError({.where = where,
                     .what = fmt::format("there is no column '{}'", name),
                     .expected = fmt::format("one of {}", fmt::join(table.header, ", "))});
  return static_cast<size_t>(found - table.header.begin());
}

}  // namespace equipoise::io
