// A tree of PNG and JPEG files. What is known of them is looked for in this order: dataset.json (as
// in EDM's archives), metadata.jsonl, metadata.csv, the names of the sub-folders.
#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "core/error.h"
#include "data/annotations.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/files.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

/// Paths of all images below `folder`, relative to it, sorted.
std::vector<std::string> list_images(const fs::path& folder) {
  std::vector<std::string> names;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator();
       ++it) {
    if (is_hidden(it->path())) {
      it.disable_recursion_pending();
    } else if (it->is_regular_file() && is_image_name(it->path().filename().string())) {
      names.push_back(it->path().lexically_relative(folder).generic_string());
    }
  }
  std::ranges::sort(names);
  return names;
}

bool holds_images(const fs::path& path) {
  if (!fs::is_directory(path)) return false;
  for (const auto& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file() && is_image_name(entry.path().filename().string())) return true;
  return false;
}

std::vector<std::string> list_sub_folders(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && !is_hidden(entry.path()))
      names.push_back(entry.path().filename().string());
  return names;
}

/// Class = first folder of the path. No sub-folders, no classes.
std::optional<Attribute> classes_by_folder(const fs::path& folder,
                                           const std::vector<std::string>& names) {
  const std::vector<std::string> sub_folders = list_sub_folders(folder);
  if (sub_folders.empty()) return std::nullopt;
  std::vector<std::string> values;
  for (const std::string& name : names) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos)
      throw DataError({.where = (folder / name).string(),
                       .what = "the image lies outside the class folders",
                       .got = "",
                       .expected = "every image in the sub-folder named after its class",
                       .hint = ""});
    values.push_back(name.substr(0, slash));
  }
  return to_attribute(values, sub_folders);
}

/// Fills in what is known of the images; returns the files it came from.
std::vector<fs::path> annotate(const fs::path& folder, ImageListing& listing) {
  if (const fs::path file = folder / "dataset.json"; fs::exists(file)) {
    listing.classes = parse_edm_labels(io::read_file(file), file.string(), listing.names);
    return {file};
  }
  if (const fs::path file = folder / "metadata.jsonl"; fs::exists(file)) {
    add_attributes(read_metadata_lines(file), file.string(), listing);
    return {file};
  }
  if (const fs::path file = folder / "metadata.csv"; fs::exists(file)) {
    add_attributes(io::read_csv(file), file.string(), listing);
    return {file};
  }
  listing.classes = classes_by_folder(folder, listing.names);
  return {};
}

ImageSet read_folder(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {});
  if (!fs::is_directory(spec.path))
    throw DataError({.where = spec.path.string(),
                     .what = "this is not a folder",
                     .got = "",
                     .expected = "a folder of PNG or JPEG files",
                     .hint = ""});
  ImageListing listing;
  listing.where = spec.path.string();
  listing.names = list_images(spec.path);
  listing.read = [folder = spec.path](const std::string& name) {
    return io::read_file(folder / name);
  };
  std::vector<fs::path> files = annotate(spec.path, listing);
  for (const std::string& name : listing.names) files.push_back(spec.path / name);
  ImageSet set = decode_listing(listing, options);
  set.sha256 = fingerprint(files, spec.path);
  return set;
}

const bool registered = DatasetRegistry::instance().add(
    {.name = "folder",
     .summary = "A folder of PNG and JPEG files: class = sub-folder, or metadata.csv, "
                "metadata.jsonl, dataset.json.",
     .source = "ours; dataset.json as in https://github.com/NVlabs/edm",
     .use_when = "Your images are single files; convert large sets to zip."},
    {.recognises = holds_images, .read = read_folder});

}  // namespace
}  // namespace equipoise::data
