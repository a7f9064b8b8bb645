// What stands beside images in files of its own: dataset.json, tables of attributes.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image_set.h"
#include "data/reader_steps.h"
#include "io/csv.h"

namespace equipoise::data {

/// The labels of an EDM dataset.json: {"labels": [["00000/img00000000.png", 6], …] or null,
/// "class_names": […]}, put in the order of `names`; nothing when labels are null. Without
/// class_names the attribute has no value names yet.
/// Throws DataError naming `where` for a malformed entry, a label without an image, an image
/// without a label.
std::optional<Attribute> parse_edm_labels(std::string_view json, const std::string& where,
                                          const std::vector<std::string>& names);

/// A metadata.jsonl as a table: its first column is `file_name`, the others are the keys of the
/// first line.
/// Throws DataError with the line number when a line lacks a key or has one too many.
io::CsvTable read_metadata_lines(const std::filesystem::path& path);

/// Adds a table's columns to `listing` as attributes; the first column names the images. A column
/// named `class` or `label` becomes the classes if there are none yet. Columns with more than 256
/// different values are identifiers, not attributes, and are left out. Classes without names get
/// them from a column that agrees with them one to one.
/// Throws DataError naming `where` for a row without an image, an image without a row, or an image
/// named twice.
void add_attributes(const io::CsvTable& table, const std::string& where, ImageListing& listing);

}  // namespace equipoise::data
