// The binary batches of CIFAR-10: records of 3,073 bytes, a label and then 1,024 red, green and
// blue values.
#include <algorithm>

#include <fmt/format.h>

#include "core/error.h"
#include "data/dataset_reader.h"
#include "data/reader_steps.h"
#include "io/files.h"

namespace equipoise::data {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kPixels = 3 * 32 * 32;
constexpr int64_t kRecord = 1 + kPixels;
const std::vector<std::string> kClassNames = {"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};

bool is_batch_name(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".bin") || name.ends_with(".bin.xz") || name.ends_with(".bin.gz");
}

/// data_batch_1.bin, … or test_batch.bin, sorted.
std::vector<fs::path> find_batches(const fs::path& folder, const std::string& part) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (is_batch_name(entry.path()) &&
        entry.path().filename().string().starts_with(part == "test" ? "test_batch" : "data_batch_"))
      files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

bool is_cifar(const fs::path& path) {
  if (fs::is_directory(path))
    return !find_batches(path, "train").empty() || !find_batches(path, "test").empty();
  return is_batch_name(path);
}

/// [N,3073] uint8.
at::Tensor read_records(const fs::path& path) {
  const std::string bytes = io::read_maybe_gzip(path);
  const auto size = static_cast<int64_t>(bytes.size());
  if (size % kRecord != 0)
    throw DataError({.where = path.string(),
                     .what = "the last record is cut off, or this is no CIFAR-10 batch",
                     .got = fmt::format("{} bytes = {} records and {} bytes", size, size / kRecord,
                                        size % kRecord),
                     .expected = fmt::format("a multiple of {} bytes", kRecord),
                     .hint = ""});
  at::Tensor records = at::empty({size / kRecord, kRecord}, at::kByte);
  std::ranges::copy(bytes, reinterpret_cast<char*>(records.data_ptr<uint8_t>()));
  const at::Tensor odd =
      records.select(1, 0).ge(static_cast<int64_t>(kClassNames.size())).nonzero();
  if (odd.numel() > 0) {
    const int64_t record = odd[0][0].item<int64_t>();
    throw DataError({.where = path.string(),
                     .what = fmt::format("the label of record {} (byte {}) is not a CIFAR-10 class",
                                         record, record * kRecord),
                     .got = std::to_string(records[record][0].item<int64_t>()),
                     .expected = "0 to 9",
                     .hint = ""});
  }
  return records;
}

ImageSet read_cifar(const DatasetSpec& spec, const ReadOptions& options) {
  check_options(spec, {});
  const bool is_folder = fs::is_directory(spec.path);
  const std::vector<fs::path> files =
      is_folder ? find_batches(spec.path, spec.part) : std::vector{spec.path};
  if (files.empty())
    throw DataError({.where = spec.path.string(),
                     .what = "the folder has no CIFAR-10 batches",
                     .got = "",
                     .expected = spec.part == "test" ? "test_batch.bin" : "data_batch_1.bin, ...",
                     .hint = ""});
  std::vector<at::Tensor> batches;
  for (const fs::path& file : files) batches.push_back(read_records(file));
  const at::Tensor records = at::cat(batches);
  ImageSet set;
  set.images = records.narrow(1, 1, kPixels).reshape({-1, 3, 32, 32});
  set.labels = records.select(1, 0).to(at::kLong);
  set.class_names = kClassNames;
  set.sha256 = fingerprint(files, is_folder ? spec.path : spec.path.parent_path());
  finish_set(set, spec.path.string(), options);
  return set;
}

const bool registered = DatasetRegistry::instance().add(
    {.name = "cifar",
     .summary = "CIFAR-10's binary batches, plain or compressed: one file, or the folder (#test = "
                "test_batch).",
     .source = "https://www.cs.toronto.edu/~kriz/cifar.html",
     .use_when = "The official CIFAR-10 binary archive or a part of it."},
    {.recognises = is_cifar, .read = read_cifar});

}  // namespace
}  // namespace equipoise::data
