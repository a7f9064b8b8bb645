// JSON documents and JSON lines (one value a line), with errors that say where.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace equipoise::io {

/// Throws DataError naming `where` when the text is not valid JSON or an object has the same key
/// twice (of which parsers silently keep one).
nlohmann::json parse_json(std::string_view text, const std::string& where);
nlohmann::json read_json(const std::filesystem::path& path);

/// What a last line without a line break means: a program killed while appending leaves one.
enum class LastLine { kMustBeWhole, kMayBeTorn };

/// One value per line; empty lines are skipped. Throws DataError "FILE:LINE" for a line that is not
/// an object. With kMayBeTorn a last line that neither ends in a line break nor parses is left out.
std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& path,
                                            LastLine last_line = LastLine::kMustBeWhole);

}  // namespace equipoise::io
