#include "data/convert.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/csv.h"
#include "io/files.h"
#include "io/image_codec.h"
#include "io/zip_archive.h"

namespace equipoise::data {
namespace {

std::string entry_name(int64_t index) {
  return fmt::format("{:05}/img{:08}.png", index / 1000, index);
}

nlohmann::ordered_json labels_document(const ImageSet& set) {
  nlohmann::ordered_json document{{"labels", nullptr}};
  if (!set.has_labels()) return document;
  nlohmann::ordered_json labels = nlohmann::ordered_json::array();
  for (int64_t i = 0; i < set.size(); ++i)
    labels.push_back({entry_name(i), set.labels[i].item<int64_t>()});
  document["labels"] = std::move(labels);
  document["class_names"] = set.class_names;
  return document;
}

io::CsvTable attribute_table(const ImageSet& set) {
  io::CsvTable table{{"name"}, {}};
  for (const auto& [name, attribute] : set.attributes) table.header.push_back(name);
  for (int64_t i = 0; i < set.size(); ++i) {
    std::vector<std::string> row{entry_name(i)};
    for (const auto& [name, attribute] : set.attributes)
      row.push_back(attribute.values[static_cast<size_t>(attribute.codes[i].item<int64_t>())]);
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

void convert_to_zip(const ImageSet& set, const std::filesystem::path& out) {
  if (set.is_vectors())
    throw UsageError({.where = set.source,
                      .what = "a set of vectors cannot become an archive of images",
                      .got = "",
                      .expected = "images",
                      .hint = ""});
  io::ZipWriter archive(out);
  for (int64_t i = 0; i < set.size(); ++i)
    archive.add(entry_name(i), io::encode_png(set.images[i]));
  archive.add("dataset.json", labels_document(set).dump());
  archive.finish();
  if (!set.attributes.empty())
    io::write_file_atomically(std::filesystem::path(out).replace_extension(".csv"),
                              io::to_csv(attribute_table(set)));
}

}  // namespace equipoise::data
