#include "data/dataset_reader.h"

#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

bool looks_like_reader_name(const std::string& text) {
  return text.size() > 1 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
}

std::map<std::string, std::string> parse_query(const std::string& query, const std::string& where) {
  std::map<std::string, std::string> options;
  for (size_t begin = 0; begin <= query.size();) {
    const size_t end = std::min(query.find('&', begin), query.size());
    const std::string pair = query.substr(begin, end - begin);
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      throw UsageError({.where = where,
                        .what = "an option after '?' is not readable",
                        .got = fmt::format("'{}'", pair),
                        .expected = "key=value, several joined by '&'",
                        .hint = ""});
    options[pair.substr(0, equals)] = pair.substr(equals + 1);
    begin = end + 1;
  }
  return options;
}

/// Cuts `text` at the last `mark` and returns what follows it, unless the whole is the name of a
/// file.
std::optional<std::string> cut_suffix(std::string& text, char mark) {
  const size_t position = text.rfind(mark);
  if (position == std::string::npos || fs::exists(text)) return std::nullopt;
  std::string suffix = text.substr(position + 1);
  text.resize(position);
  return suffix;
}

std::string guess_reader(const fs::path& path) {
  for (const auto& [name, entry] : DatasetRegistry::instance().entries())
    if (entry.make.recognises && entry.make.recognises(path)) return name;
  throw DataError(
      {.where = path.string(),
       .what = "no image set was recognised here",
       .got = fs::is_directory(path) ? "a folder without PNG, JPEG, IDX or CIFAR files"
                                     : "a file of another kind",
       .expected = fmt::format("one of: {}", fmt::join(DatasetRegistry::instance().names(), ", ")),
       .hint = "Unpack archives other than zip, or name the reader, as in zip:PATH"});
}

void rename_classes(ImageSet& set, const std::string& joined, const std::string& where) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= joined.size();) {
    const size_t end = std::min(joined.find(',', begin), joined.size());
    names.push_back(joined.substr(begin, end - begin));
    begin = end + 1;
  }
  if (names.size() != set.class_names.size())
    throw UsageError({.where = where,
                      .what = "the number of names in 'classes' differs from the number of classes",
                      .got = std::to_string(names.size()),
                      .expected = std::to_string(set.class_names.size()),
                      .hint = ""});
  set.class_names = names;
}

}  // namespace

DatasetSpec parse_dataset_spec(const std::string& text) {
  const auto& registry = DatasetRegistry::instance();
  DatasetSpec spec;
  spec.text = text;
  std::string rest = text;
  const size_t colon = text.find(':');
  if (colon != std::string::npos && !fs::exists(text) &&
      looks_like_reader_name(text.substr(0, colon))) {
    spec.reader = text.substr(0, colon);
    registry.find(spec.reader);  // an unknown name ends here
    rest = text.substr(colon + 1);
  }
  if (const auto query = cut_suffix(rest, '?')) spec.options = parse_query(*query, text);
  if (const auto part = cut_suffix(rest, '#')) {
    spec.part = *part;
    if (spec.part != "train" && spec.part != "test")
      throw UsageError({.where = text,
                        .what = "unknown part of a data set after '#'",
                        .got = fmt::format("'{}'", spec.part),
                        .expected = "train or test",
                        .hint = ""});
  }
  spec.path = rest;
  const bool needs_path = spec.reader.empty() || registry.find(spec.reader).make.recognises;
  if (needs_path && !fs::exists(spec.path))
    throw DataError(
        {.where = rest, .what = "no such file or folder", .got = "", .expected = "", .hint = ""});
  if (spec.reader.empty()) spec.reader = guess_reader(spec.path);
  return spec;
}

ImageSet load_images(const std::string& text, const ReadOptions& options) {
  DatasetSpec spec = parse_dataset_spec(text);
  const auto classes = spec.options.extract("classes");
  ImageSet set = DatasetRegistry::instance().find(spec.reader).make.read(spec, options);
  set.source = text;
  if (classes) rename_classes(set, classes.mapped(), text);
  return set;
}

}  // namespace equipoise::data
