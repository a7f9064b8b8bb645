// Images of a set as files of lists and tables name them.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "data/image_set.h"

namespace equipoise::data {

/// Finds images by name, or by index where no image has that name.
class ImageFinder {
 public:
  explicit ImageFinder(const ImageSet& set);
  /// Throws DataError naming `where` when there is no such image.
  int64_t find(const std::string& text, const std::string& where) const;

 private:
  int64_t num_images_;
  std::map<std::string, int64_t> index_of_;
};

}  // namespace equipoise::data
