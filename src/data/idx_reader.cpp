// IDX pairs as MNIST and Fashion-MNIST have them: a file of images and a file of labels, found by
// name.
#include <fstream>
#include <optional>

#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/idx.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

std::string replace_first(std::string text, const std::string& from, const std::string& to) {
  if (const size_t position = text.find(from); position != std::string::npos)
    text.replace(position, from.size(), to);
  return text;
}

/// `path`, or the same with a compressed file's ending added or taken away: whichever exists.
std::optional<fs::path> find_maybe_compressed(const fs::path& path) {
  fs::path plain = path;
  if (path.extension() == ".gz" || path.extension() == ".xz") plain.replace_extension();
  for (const char* ending : {"", ".gz", ".xz"})
    if (fs::path candidate = plain.string() + ending; fs::is_regular_file(candidate))
      return candidate;
  return std::nullopt;
}

std::string prefix_of(const std::string& part) {
  return part == "test" ? "t10k" : "train";
}

std::optional<fs::path> find_images(const fs::path& folder, const std::string& part) {
  for (const char* name : {"-images-idx3-ubyte", "-images.idx3-ubyte"})
    if (auto found = find_maybe_compressed(folder / (prefix_of(part) + name))) return found;
  return std::nullopt;
}

bool is_idx(const fs::path& path) {
  if (fs::is_directory(path)) return find_images(path, "train") || find_images(path, "test");
  if (path.filename().string().find("idx3-ubyte") != std::string::npos) return true;
  char magic[4] = {};
  std::ifstream(path, std::ios::binary).read(magic, sizeof magic);
  return std::string_view(magic, 4) == std::string_view("\0\0\x08\x03", 4);
}

fs::path images_file(const DatasetSpec& spec) {
  if (fs::is_directory(spec.path)) {
    if (auto found = find_images(spec.path, spec.part)) return *found;
    throw DataError({.where = spec.path.string(),
                     .what = "the folder has no IDX file of images",
                     .got = "",
                     .expected = prefix_of(spec.part) + "-images-idx3-ubyte, plain or .gz",
                     .hint = ""});
  }
  if (spec.part != "test") return spec.path;
  const std::string name = replace_first(spec.path.filename().string(), "train", "t10k");
  return find_maybe_compressed(spec.path.parent_path() / name)
      .value_or(spec.path.parent_path() / name);
}

/// The labels that belong to a file of images: "images" becomes "labels" and "idx3" becomes "idx1".
std::optional<fs::path> labels_file(const fs::path& images) {
  const std::string name = images.filename().string();
  const std::string labels = replace_first(replace_first(name, "images", "labels"), "idx3", "idx1");
  return labels == name ? std::nullopt : find_maybe_compressed(images.parent_path() / labels);
}

at::Tensor read_of_rank(const fs::path& path, int64_t rank, const std::string& expected) {
  at::Tensor values = io::read_idx(path);
  if (values.dim() != rank)
    throw DataError({.where = path.string(),
                     .what = "the IDX file has the wrong number of dimensions",
                     .got = std::to_string(values.dim()),
                     .expected = expected,
                     .hint = ""});
  return values;
}

ImageSet read_idx_pair(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {});
  const fs::path images = images_file(spec);
  ImageSet set;
  set.images = read_of_rank(images, 3, "3: images, rows, columns").unsqueeze(1);
  std::vector<fs::path> files{images};
  if (const auto labels = labels_file(images)) {
    set.labels = read_of_rank(*labels, 1, "1: a label for every image").to(at::kLong);
    files.push_back(*labels);
  }
  set.sha256 = fingerprint(files, images.parent_path());
  finish_set(set, images.string(), options);
  return set;
}

const bool registered =
    DatasetRegistry::instance().add({.name = "idx",
                                     .summary = "MNIST's format, plain or compressed: the images' "
                                                "file, or the folder (#test = the t10k pair).",
                                     .source = "http://yann.lecun.com/exdb/mnist",
                                     .use_when = "MNIST, Fashion-MNIST, KMNIST, EMNIST."},
                                    {.recognises = is_idx, .read = read_idx_pair});

}  // namespace
}  // namespace equipoise::data
