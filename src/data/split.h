// Which images of a set make the biased set, the small reference set and the held-out set. A split
// is a list of indices with its reasons, never a copy of images; how the biased set is made is a
// plug-in (split_protocol.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "data/data_config.h"
#include "data/image_set.h"

namespace equipoise::data {

/// Indices are sorted, disjoint, [n] int64. Two splits of one set with equal config and seed are
/// equal.
struct Split {
  at::Tensor biased;
  at::Tensor reference;  ///< may be empty
  at::Tensor heldout;    ///< may be empty
  std::string protocol;
  uint64_t seed = 0;
  std::string source;                   ///< of the image set
  std::string sha256;                   ///< of the image set
  int64_t num_images = 0;               ///< of the image set
  std::vector<std::string> attributes;  ///< what the groups are made of
  std::vector<std::string> groups;      ///< their names, in order
  /// Share of each group under the law the reference follows; sums to 1.
  std::vector<double> target;
  nlohmann::ordered_json config;  ///< echo of what made it

  nlohmann::ordered_json to_json() const;
};

/// Divides a set. The reference is drawn first, then the held-out images, then the biased set from
/// what is left, so that no image is in two of them. A reference size below 1 gives the largest
/// reference that is at most this fraction of the biased set drawn beside it. When the shares do
/// not divide the reference evenly, the largest remainders win.
/// Random: stream (seed, kSplit, group): one permutation of each group.
/// Throws UsageError for a group that does not exist or becomes empty, or too few images of a
/// group; DataError for given lists that overlap (the first index in both), repeat an image, or
/// name one that does not exist.
Split make_split(const ImageSet& set, const SplitConfig& split, const ReferenceConfig& reference,
                 double heldout, uint64_t seed);
inline Split make_split(const ImageSet& set, const DataConfig& config, uint64_t seed) {
  return make_split(set, config.split, config.reference, config.heldout, seed);
}

/// Writes the manifest: JSON with "format": "equipoise-split/1" and the fields of Split by name.
void save_split(const Split& split, const std::filesystem::path& path);
/// Reads a manifest back. Throws DataError when it is damaged or was made from other data
/// (SHA-256).
Split load_split(const std::filesystem::path& path, const ImageSet& set);

}  // namespace equipoise::data
