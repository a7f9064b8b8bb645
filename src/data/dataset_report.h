// What `equipoise data check` says of a data set.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "data/image_set.h"

namespace equipoise::data {

struct DatasetReport {
  /// Images of each value of an attribute, in the order of its codes.
  struct Counts {
    std::vector<std::string> values;
    std::vector<int64_t> counts;
  };
  struct Duplicate {
    int64_t first, second;  ///< indices of two images with the same pixels
  };

  std::string source;
  std::string sha256;
  std::vector<int64_t> shape;  ///< of one image: [C,H,W], or [D] for vectors
  int64_t num_images = 0;
  std::map<std::string, Counts> groups;  ///< "class" and every attribute
  std::vector<double> mean, std;  ///< per channel, in pixel units (0 … 255; vectors: their own)
  std::vector<Duplicate> duplicates;  ///< each later copy with the first image that looks the same
  std::vector<std::string> problems;  ///< one plain sentence each; empty = the set is sound

  nlohmann::ordered_json to_json() const;
  std::string to_text() const;
};

/// Describes a set that is already in memory.
DatasetReport describe(const ImageSet& set);
/// Reads the set named by `spec`, collecting its problems instead of stopping at the first.
/// Throws UsageError for a spec that makes no sense; what is wrong with the data ends up in
/// `problems`.
DatasetReport check_dataset(const std::string& spec);

}  // namespace equipoise::data
