#include "io/json_lines.h"

#include <optional>
#include <set>

#include <fmt/format.h>

#include "core/error.h"
#include "io/files.h"

namespace equipoise::io {
namespace {

using Json = nlohmann::json;

/// Watches a parse and refuses an object that names a key twice.
class UniqueKeys {
 public:
  explicit UniqueKeys(const std::string& where) : where_(where) {}

  bool operator()(Json::parse_event_t event, const Json& parsed) {
    if (event == Json::parse_event_t::object_start) open_objects_.emplace_back();
    if (event == Json::parse_event_t::object_end) open_objects_.pop_back();
    if (event == Json::parse_event_t::key &&
        !open_objects_.back().insert(parsed.get<std::string>()).second)
      throw DataError(
          {.where = where_,
           .what = fmt::format("the key {} appears twice in one object", parsed.dump())});
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> open_objects_;
};

/// nlohmann's text without its "[json.exception.…]" tag.
std::string without_tag(std::string text) {
  const size_t tag_end = text.find("] ");
  return tag_end == text.npos ? text : text.substr(tag_end + 2);
}

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  UniqueKeys unique_keys(where);
  try {
    return Json::parse(text, [&](int, Json::parse_event_t event, Json& parsed) {
      return unique_keys(event, parsed);
    });
  } catch (const Json::parse_error& error) {
    throw DataError({.where = where, .what = "is not valid JSON: " + without_tag(error.what())});
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path), path.string());
}

std::vector<Json> read_json_lines(const std::filesystem::path& path, LastLine last_line) {
  const std::string text = read_file(path);
  std::vector<Json> values;
  size_t line_number = 0;
  for (std::string_view rest = text; !rest.empty();) {
    ++line_number;
    const size_t line_end = rest.find('\n');
    const bool is_torn = line_end == rest.npos;
    const std::string_view line = rest.substr(0, line_end);
    rest.remove_prefix(is_torn ? rest.size() : line_end + 1);
    if (line.find_first_not_of(" \t\r") == line.npos) continue;
    if (is_torn && last_line == LastLine::kMayBeTorn && !Json::accept(line)) break;

    const std::string where = fmt::format("{}:{}", path.string(), line_number);
    values.push_back(parse_json(line, where));
    if (!values.back().is_object())
      throw DataError({.where = where,
                       .what = "the line is not a JSON object",
                       .got = values.back().type_name()});
  }
  return values;
}

}  // namespace equipoise::io
