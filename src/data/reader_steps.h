// What readers share: fingerprints, labels, and the decoding of many PNG and JPEG files.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset_reader.h"

namespace equipoise::data {

/// SHA-256 of the one file, or of the list that `sha256sum` prints of several ("HASH  NAME", one a
/// line), named relative to `base` and sorted.
std::string fingerprint(std::vector<std::filesystem::path> files,
                        const std::filesystem::path& base);

/// Refuses options that this reader does not have. Throws UsageError naming the known ones.
void check_options(const DatasetSpec& spec, const std::vector<std::string>& known);

/// The last look at every set: gives classes names "0", "1", … when it has labels but no names,
/// then throws DataError for zero images, labels missing though required, a label outside 0 … K-1,
/// or a class without images.
void finish_set(ImageSet& set, const std::string& where, const ReadOptions& options);

/// Text values as an attribute: its values sorted (by leading number where all have one), its codes
/// in the images' order. `further_values` exist too, without images.
Attribute to_attribute(const std::vector<std::string>& values,
                       const std::vector<std::string>& further_values = {});

/// Encoded images and what is known of each, as folders and archives give them.
struct ImageListing {
  std::string where;               ///< the folder or archive
  std::vector<std::string> names;  ///< of the entries, in the set's order
  std::optional<Attribute> classes;
  std::map<std::string, Attribute> attributes;
  /// An entry's bytes; called from several threads.
  std::function<std::string(const std::string& name)> read;
};
/// Decodes all entries on options.num_threads threads. Throws DataError for the first entry that is
/// damaged or whose shape differs from the first's; or notes them all in options.problems and
/// leaves them out.
ImageSet decode_listing(const ImageListing& listing, const ReadOptions& options);

/// True for names that end in .png, .jpg or .jpeg, in any case.
bool is_image_name(std::string_view name);

}  // namespace equipoise::data
