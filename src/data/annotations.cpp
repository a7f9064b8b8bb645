#include "data/annotations.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/json_lines.h"

namespace equipoise::data {
namespace {

constexpr size_t kMaxAttributeValues = 256;

using RowOf = std::map<std::string, size_t>;

/// Throws unless `images` and the names in `rows` are the same set.
void check_same_names(const std::vector<std::string>& images, const RowOf& rows,
                      const std::string& where, const std::string& what) {
  for (const std::string& image : images)
    if (!rows.contains(image))
      throw DataError({.where = where,
                       .what = fmt::format("image '{}' has no {}", image, what),
                       .got = fmt::format("{} of them for {} images", rows.size(), images.size()),
                       .expected = fmt::format("one {} for every image", what),
                       .hint = ""});
  if (rows.size() == images.size()) return;
  std::map<std::string, size_t> known;
  for (const std::string& image : images) known.emplace(image, 0);
  for (const auto& [name, row] : rows)
    if (!known.contains(name))
      throw DataError(
          {.where = where,
           .what = fmt::format("a {} names '{}', and there is no such image", what, name),
           .got = fmt::format("{} of them for {} images", rows.size(), images.size()),
           .expected = fmt::format("one {} for every image", what),
           .hint = ""});
}

void insert_once(RowOf& rows, const std::string& name, size_t row, const std::string& where) {
  if (!rows.emplace(name, row).second)
    throw DataError({.where = where,
                     .what = fmt::format("image '{}' is named twice", name),
                     .got = "",
                     .expected = "every image once",
                     .hint = ""});
}

DataError malformed_label(const std::string& where, size_t entry, const nlohmann::json& got) {
  return DataError({.where = where,
                    .what = fmt::format("entry {} of 'labels' is malformed", entry),
                    .got = got.dump().substr(0, 80),
                    .expected = "[\"image name\", class number]",
                    .hint = ""});
}

std::vector<std::string> class_names_of(const nlohmann::json& document, const std::string& where) {
  const auto it = document.find("class_names");
  if (it == document.end() || it->is_null()) return {};
  const bool is_list_of_text =
      it->is_array() && std::ranges::all_of(*it, [](const auto& v) { return v.is_string(); });
  if (!is_list_of_text)
    throw DataError({.where = where,
                     .what = "'class_names' is malformed",
                     .got = it->dump().substr(0, 80),
                     .expected = "a list of strings",
                     .hint = ""});
  return it->get<std::vector<std::string>>();
}

/// One value of a column per image, in the images' order.
std::vector<std::string> column_values(const io::CsvTable& table, size_t column,
                                       const RowOf& row_of,
                                       const std::vector<std::string>& images) {
  std::vector<std::string> values;
  values.reserve(images.size());
  for (const std::string& image : images) values.push_back(table.rows[row_of.at(image)][column]);
  return values;
}

bool is_class_column(const std::string& name) {
  return name == "class" || name == "label";
}

/// The name each class has in `column`, when classes and values agree one to one.
std::optional<std::vector<std::string>> names_from(const Attribute& column,
                                                   const at::Tensor& labels) {
  std::vector<std::string> names(column.values.size());
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const int64_t label = labels.data_ptr<int64_t>()[i];
    const std::string& value =
        column.values[static_cast<size_t>(column.codes.data_ptr<int64_t>()[i])];
    if (label < 0 || label >= static_cast<int64_t>(names.size())) return std::nullopt;
    std::string& name = names[static_cast<size_t>(label)];
    if (name.empty()) name = value;
    if (name != value) return std::nullopt;
  }
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  const bool is_one_to_one = std::ranges::adjacent_find(sorted) == sorted.end();
  return is_one_to_one ? std::optional(names) : std::nullopt;
}

/// A value as a table has it; null is no value.
std::string text_of(const nlohmann::json& value) {
  if (value.is_null()) return "";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

std::optional<Attribute> parse_edm_labels(std::string_view json, const std::string& where,
                                          const std::vector<std::string>& names) {
  const nlohmann::json document = io::parse_json(json, where);
  if (!document.is_object() || !document.contains("labels"))
    throw DataError({.where = where,
                     .what = "there is no 'labels'",
                     .got = "",
                     .expected = "{\"labels\": [[\"image name\", class number], ...] or null}",
                     .hint = ""});
  const nlohmann::json& entries = document["labels"];
  if (entries.is_null()) return std::nullopt;
  if (!entries.is_array()) throw malformed_label(where, 0, entries);
  RowOf row_of;
  for (size_t i = 0; i < entries.size(); ++i) {
    const nlohmann::json& entry = entries[i];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() ||
        !entry[1].is_number_integer())
      throw malformed_label(where, i, entry);
    insert_once(row_of, entry[0].get<std::string>(), i, where);
  }
  check_same_names(names, row_of, where, "label");
  Attribute classes{class_names_of(document, where),
                    at::empty({static_cast<int64_t>(names.size())}, at::kLong)};
  for (size_t i = 0; i < names.size(); ++i)
    classes.codes.data_ptr<int64_t>()[i] = entries[row_of.at(names[i])][1].get<int64_t>();
  return classes;
}

io::CsvTable read_metadata_lines(const std::filesystem::path& path) {
  const std::vector<nlohmann::json> lines = io::read_json_lines(path);
  io::CsvTable table{{"file_name"}, {}};
  if (!lines.empty())
    for (const auto& [key, value] : lines.front().items())
      if (key != "file_name") table.header.push_back(key);
  for (size_t i = 0; i < lines.size(); ++i) {
    std::vector<std::string> row;
    for (const std::string& key : table.header) {
      const auto value = lines[i].find(key);
      if (value == lines[i].end() || lines[i].size() != table.header.size())
        throw DataError({.where = fmt::format("{}:{}", path.string(), i + 1),
                         .what = fmt::format("record {} has other keys than the first", i + 1),
                         .got = lines[i].dump().substr(0, 120),
                         .expected = "'file_name' and the same attributes in every record",
                         .hint = ""});
      row.push_back(text_of(*value));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

void add_attributes(const io::CsvTable& table, const std::string& where, ImageListing& listing) {
  RowOf row_of;
  for (size_t i = 0; i < table.rows.size(); ++i) insert_once(row_of, table.rows[i][0], i, where);
  check_same_names(listing.names, row_of, where, "row");
  for (size_t column = 1; column < table.header.size(); ++column) {
    const std::string& name = table.header[column];
    Attribute attribute = to_attribute(column_values(table, column, row_of, listing.names));
    if (attribute.values.size() > kMaxAttributeValues) continue;
    if (is_class_column(name) && !listing.classes)
      listing.classes = std::move(attribute);
    else
      listing.attributes[name] = std::move(attribute);
  }
  if (!listing.classes || !listing.classes->values.empty()) return;
  for (const auto& [name, attribute] : listing.attributes) {
    if (auto names = names_from(attribute, listing.classes->codes)) {
      listing.classes->values = *names;
      return;
    }
  }
}

}  // namespace equipoise::data
