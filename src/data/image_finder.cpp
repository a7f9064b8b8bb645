#include "data/image_finder.h"

#include <charconv>

#include <fmt/format.h>

#include "core/error.h"

namespace equipoise::data {

ImageFinder::ImageFinder(const ImageSet& set) : num_images_(set.size()) {
  for (size_t i = 0; i < set.names.size(); ++i)
    index_of_.emplace(set.names[i], static_cast<int64_t>(i));
}

int64_t ImageFinder::find(const std::string& text, const std::string& where) const {
  if (const auto it = index_of_.find(text); it != index_of_.end()) return it->second;
  int64_t index = -1;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), index);
  const bool is_number = result.ec == std::errc() && result.ptr == text.data() + text.size();
  if (is_number && index >= 0 && index < num_images_) return index;
  const std::string name =
      index_of_.empty() ? ""
                        : fmt::format("an image name such as '{}', or ", index_of_.begin()->first);
  throw DataError({.where = where,
                   .what = "the line names no image of the set",
                   .got = fmt::format("'{}'", text),
                   .expected = fmt::format("{}an index from 0 to {}", name, num_images_ - 1),
                   .hint = ""});
}

}  // namespace equipoise::data
