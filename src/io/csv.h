// Comma-separated tables as RFC 4180 has them; every field is text.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace equipoise::io {

struct CsvTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  ///< each as long as the header

  bool operator==(const CsvTable&) const = default;
};

/// Fields may be quoted ("a, ""b"""), lines may end in LF or CRLF, empty lines are skipped, a byte
/// order mark is dropped. `where` is what errors call the text.
/// Throws DataError with the line number when a row's length differs from the header's, a quote is
/// left open or stands in the wrong place, or there is no header.
CsvTable parse_csv(std::string_view text, const std::string& where);
/// The same for a file, which may be compressed (.gz, .xz).
CsvTable read_csv(const std::filesystem::path& path);
/// Text that parses back to the same table; lines end in LF, fields are quoted only where they must
/// be.
std::string to_csv(const CsvTable& table);
/// Position of the column called `name`. Throws DataError listing the columns when there is none.
size_t column_index(const CsvTable& table, const std::string& name, const std::string& where);

}  // namespace equipoise::io
