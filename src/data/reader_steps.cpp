#include "data/reader_steps.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <exception>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/error.h"
#include "core/spelling.h"
#include "io/hash.h"
#include "io/image_codec.h"

namespace equipoise::data {
namespace fs = std::filesystem;

std::string fingerprint(std::vector<fs::path> files, const fs::path& base) {
  if (files.size() == 1) return io::sha256_of_file(files.front());
  std::map<std::string, fs::path> by_name;
  for (const fs::path& file : files) by_name[file.lexically_relative(base).generic_string()] = file;
  io::Sha256 hash;
  for (const auto& [name, file] : by_name)
    hash.update(fmt::format("{}  {}\n", io::sha256_of_file(file), name));
  return hash.hex();
}

void check_options(const DatasetSpec& spec, const std::vector<std::string>& known) {
  std::vector<std::string> all = known;
  all.push_back("classes");
  for (const auto& [key, value] : spec.options)
    if (std::ranges::find(all, key) == all.end()) throw unknown_name("data set option", key, all);
}

namespace {

void check_label_range(const ImageSet& set, const std::string& where) {
  const auto num_classes = static_cast<int64_t>(set.class_names.size());
  const at::Tensor odd = set.labels.lt(0).logical_or(set.labels.ge(num_classes)).nonzero();
  if (odd.numel() == 0) return;
  const int64_t first = odd[0][0].item<int64_t>();
  throw DataError(
      {.where = where,
       .what = fmt::format("the label of image {} is outside the {} classes", first, num_classes),
       .got = std::to_string(set.labels[first].item<int64_t>()),
       .expected = fmt::format("0 to {}", num_classes - 1),
       .hint = ""});
}

void check_no_class_empty(const ImageSet& set, const std::string& where) {
  const auto num_classes = static_cast<int64_t>(set.class_names.size());
  const at::Tensor counts = at::bincount(set.labels, {}, num_classes);
  for (int64_t k = 0; k < num_classes; ++k)
    if (counts[k].item<int64_t>() == 0)
      throw DataError(
          {.where = where,
           .what = fmt::format("class '{}' has no images", set.class_names[static_cast<size_t>(k)]),
           .got = "0",
           .expected = "at least one image in every class",
           .hint = "Remove the class, or renumber the labels from 0 without gaps"});
}

void check_labels(const ImageSet& set, const std::string& where) {
  if (set.labels.size(0) == set.size()) return;
  throw DataError({.where = where,
                   .what = set.labels.size(0) > set.size() ? "there are labels without images"
                                                           : "there are images without labels",
                   .got = fmt::format("{} labels for {} images", set.labels.size(0), set.size()),
                   .expected = "as many labels as images",
                   .hint = ""});
}

}  // namespace

void finish_set(ImageSet& set, const std::string& where, const ReadOptions& options) {
  if (set.size() == 0)
    throw DataError({.where = where,
                     .what = "there are no images",
                     .got = "0",
                     .expected = "at least one image",
                     .hint = ""});
  if (!set.has_labels()) {
    if (options.require_labels)
      throw DataError(
          {.where = where,
           .what = "the images have no labels",
           .got = "",
           .expected = "a class for every image",
           .hint = "Put images into one folder per class, or add labels to dataset.json"});
    return;
  }
  check_labels(set, where);
  if (set.class_names.empty())
    for (int64_t k = 0; k <= set.labels.max().item<int64_t>(); ++k)
      set.class_names.push_back(std::to_string(k));
  check_label_range(set, where);
  if (!options.allow_empty_classes) check_no_class_empty(set, where);
}

namespace {

std::optional<int64_t> leading_number(const std::string& text) {
  int64_t number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  return result.ec == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

Attribute to_attribute(const std::vector<std::string>& values,
                       const std::vector<std::string>& further_values) {
  std::set<std::string> distinct(values.begin(), values.end());
  distinct.insert(further_values.begin(), further_values.end());
  Attribute attribute{{distinct.begin(), distinct.end()},
                      at::empty({static_cast<int64_t>(values.size())}, at::kLong)};
  if (std::ranges::all_of(attribute.values,
                          [](const std::string& v) { return leading_number(v).has_value(); }))
    std::ranges::stable_sort(attribute.values, {},
                             [](const std::string& v) { return *leading_number(v); });
  std::map<std::string, int64_t> code_of;
  for (const std::string& value : attribute.values)
    code_of.emplace(value, static_cast<int64_t>(code_of.size()));
  int64_t* codes = attribute.codes.data_ptr<int64_t>();
  for (size_t i = 0; i < values.size(); ++i) codes[i] = code_of.at(values[i]);
  return attribute;
}

bool is_image_name(std::string_view name) {
  std::string extension = fs::path(name).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return std::tolower(c); });
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

namespace {

/// Decodes a listing into one tensor; each thread takes every num_threads-th entry.
class Decoder {
 public:
  Decoder(const ImageListing& listing, const ReadOptions& options)
      : listing_(listing),
        options_(options),
        count_(static_cast<int64_t>(listing.names.size())),
        failures_(listing.names.size()),
        first_failure_(count_) {}

  /// [N,C,H,W]; rows of entries that failed are zero.
  at::Tensor decode() {
    if (!start_with_first_whole_image()) return at::zeros({count_, 3, 1, 1}, at::kByte);
    std::vector<std::thread> threads;
    const int64_t num_threads = std::clamp<int64_t>(options_.num_threads, 1, count_);
    for (int64_t t = 0; t < num_threads; ++t)
      threads.emplace_back([this, t, num_threads] { decode_every(t, num_threads); });
    for (std::thread& thread : threads) thread.join();
    if (!collects() && first_failure_ < count_)
      std::rethrow_exception(failures_[static_cast<size_t>(first_failure_)]);
    return images_;
  }

  /// Indices of the entries that are fine; the others are noted.
  at::Tensor note_failures() const {
    std::vector<int64_t> good;
    for (size_t i = 0; i < failures_.size(); ++i) {
      if (!failures_[i]) {
        good.push_back(static_cast<int64_t>(i));
        continue;
      }
      try {
        std::rethrow_exception(failures_[i]);
      } catch (const DataError& error) {
        options_.problems->push_back(error.what());
      }
    }
    return at::tensor(good, at::kLong);
  }

 private:
  bool collects() const { return options_.problems != nullptr; }

  bool start_with_first_whole_image() {
    for (int64_t i = 0; i < count_; ++i) {
      decode_one(i);
      if (images_.defined()) return true;
      if (!collects()) std::rethrow_exception(failures_[static_cast<size_t>(i)]);
    }
    return false;
  }

  // Entries after a failure are skipped, those before it are not: the failure reported is always
  // the first.
  void decode_every(int64_t first, int64_t step) {
    for (int64_t i = first; i < count_; i += step)
      if (collects() || i < first_failure_) decode_one(i);
  }

  void decode_one(int64_t i) {
    try {
      const std::string& name = listing_.names[static_cast<size_t>(i)];
      const at::Tensor image = io::decode_image(listing_.read(name), listing_.where + "/" + name);
      if (!images_.defined()) allocate(image, name);
      check_same_shape(image, name);
      std::memcpy(images_.data_ptr<uint8_t>() + i * image.numel(), image.data_ptr<uint8_t>(),
                  static_cast<size_t>(image.numel()));
    } catch (...) {
      failures_[static_cast<size_t>(i)] = std::current_exception();
      int64_t seen = first_failure_;
      while (i < seen && !first_failure_.compare_exchange_weak(seen, i)) {
      }
    }
  }

  void allocate(const at::Tensor& first, const std::string& name) {
    shape_ = first.sizes().vec();
    first_name_ = name;
    images_ = at::zeros({count_, shape_[0], shape_[1], shape_[2]}, at::kByte);
  }

  void check_same_shape(const at::Tensor& image, const std::string& name) const {
    if (image.sizes() == at::IntArrayRef(shape_)) return;
    throw DataError(
        {.where = listing_.where + "/" + name,
         .what = "the image differs in shape from the ones before it",
         .got = fmt::format("{} (channels, height, width)", fmt::join(image.sizes().vec(), " x ")),
         .expected = fmt::format("{} as in {}", fmt::join(shape_, " x "), first_name_),
         .hint = "Bring all images to one size and one number of channels first"});
  }

  const ImageListing& listing_;
  const ReadOptions& options_;
  int64_t count_;
  at::Tensor images_;
  std::vector<int64_t> shape_;
  std::string first_name_;
  std::vector<std::exception_ptr> failures_;
  std::atomic<int64_t> first_failure_;
};

}  // namespace

ImageSet decode_listing(const ImageListing& listing, const ReadOptions& options) {
  Decoder decoder(listing, options);
  ImageSet set;
  set.images = decoder.decode();
  set.names = listing.names;
  set.attributes = listing.attributes;
  if (listing.classes) {
    set.labels = listing.classes->codes;
    set.class_names = listing.classes->values;
  }
  if (options.problems != nullptr) set = set.select(decoder.note_failures());
  finish_set(set, listing.where, options);
  return set;
}

}  // namespace equipoise::data
