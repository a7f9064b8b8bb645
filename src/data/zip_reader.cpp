// The data set archive of EDM: PNG or JPEG entries, stored or deflated, and dataset.json. A CSV of
// the same name beside it (faces.csv for faces.zip) adds attributes.
#include <algorithm>
#include <fstream>
#include <memory>

#include "data/annotations.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/zip_archive.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

/// Archives of image files; an .npz is a zip archive too.
bool is_archive_of_images(const fs::path& path) {
  char magic[2] = {};
  if (!fs::is_regular_file(path) ||
      !std::ifstream(path, std::ios::binary).read(magic, sizeof magic))
    return false;
  if (magic[0] != 'P' || magic[1] != 'K') return false;
  const io::ZipReader archive(path);
  return std::ranges::any_of(archive.entries(),
                             [](const io::ZipEntry& entry) { return is_image_name(entry.name); });
}

ImageSet read_zip(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {});
  const auto archive = std::make_shared<const io::ZipReader>(spec.path);
  ImageListing listing;
  listing.where = spec.path.string();
  for (const io::ZipEntry& entry : archive->entries())
    if (is_image_name(entry.name)) listing.names.push_back(entry.name);
  std::ranges::sort(listing.names);
  listing.read = [archive](const std::string& name) { return archive->read(name); };
  if (archive->contains("dataset.json"))
    listing.classes = parse_edm_labels(archive->read("dataset.json"),
                                       listing.where + "/dataset.json", listing.names);
  std::vector<fs::path> files{spec.path};
  if (const fs::path table = fs::path(spec.path).replace_extension(".csv"); fs::exists(table)) {
    add_attributes(io::read_csv(table), table.string(), listing);
    files.push_back(table);
  }
  ImageSet set = decode_listing(listing, options);
  set.sha256 = fingerprint(files, spec.path.parent_path());
  return set;
}

const bool registered = DatasetRegistry::instance().add(
    {.name = "zip",
     .summary =
         "A zip archive of PNG or JPEG entries with dataset.json; a CSV beside it adds attributes.",
     .source = "https://github.com/NVlabs/edm, dataset_tool.py",
     .use_when = "The usual form of a data set; equipoise data convert writes it."},
    {.recognises = is_archive_of_images, .read = read_zip});

}  // namespace
}  // namespace equipoise::data
