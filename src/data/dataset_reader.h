// How image sets come in: one reader a format, registered by name, chosen by the user or by what
// lies at the path.
//
//   folder   a tree of PNG/JPEG files: class = sub-folder, or metadata.csv, metadata.jsonl, dataset.json
//   zip      the EDM data set archive, with a CSV of attributes beside it
//   idx      MNIST, Fashion-MNIST and their like; `idx:FOLDER#test` reads the t10k pair
//   cifar    the binary batches of CIFAR-10
//   npz      NumPy archives of sample batches
//   toy      laws known in closed form: `toy:two-gaussians?num=2000&seed=0`
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/registry.h"
#include "data/image_set.h"

namespace equipoise::data {

/// What the user named: `PATH` or `reader:PATH`, with an optional `#part` and
/// `?key=value&key=value`.
struct DatasetSpec {
  std::string text;                            ///< as given
  std::string reader;                          ///< a registered name
  std::filesystem::path path;                  ///< or the law's name, for `toy`
  std::string part;                            ///< after '#': "train" or "test"; "" when absent
  std::map<std::string, std::string> options;  ///< after '?'
};

struct ReadOptions {
  bool require_labels = false;       ///< images without labels are an error
  bool allow_empty_classes = false;  ///< generated sets may lack a class; training sets must not
  int64_t num_threads = 2;           ///< for decoding PNG and JPEG
  /// When set, damaged or odd images are noted here and left out instead of ending the reading.
  std::vector<std::string>* problems = nullptr;
};

/// One format. `recognises` decides from the path's content whether this reader would take it.
struct DatasetReader {
  static constexpr const char* kFamily = "dataset";
  std::function<bool(const std::filesystem::path&)> recognises;
  std::function<ImageSet(const DatasetSpec&, const ReadOptions&)> read;
};
using DatasetRegistry = Registry<DatasetReader, DatasetReader>;

/// Splits a spec into its parts and finds the reader. A '?', '#' or ':' that belongs to an existing
/// path stays in it.
/// Throws UsageError on an unknown reader or a malformed query; DataError when nothing is there or
/// no reader knows it.
DatasetSpec parse_dataset_spec(const std::string& text);

/// Reads an image set. Throws DataError naming file, entry, what was found and what was expected:
/// truncated or mislabelled files, images of unequal size (the first odd one), labels without
/// images, images without labels where asked for, an empty class, zero images.
ImageSet load_images(const std::string& spec, const ReadOptions& options = {});

}  // namespace equipoise::data
