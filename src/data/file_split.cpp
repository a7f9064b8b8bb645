// Lists made elsewhere: one index or image name a line.
#include <charconv>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "core/error.h"
#include "data/split_protocol.h"
#include "io/files.h"

namespace equipoise::data {
namespace {

std::string strip(const std::string& line) {
  const size_t begin = line.find_first_not_of(" \t\r");
  return begin == std::string::npos
             ? ""
             : line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1);
}

/// Finds images by index or by name.
class ImageFinder {
 public:
  explicit ImageFinder(const ImageSet& set) : num_images_(set.size()) {
    for (size_t i = 0; i < set.names.size(); ++i)
      index_of_.emplace(set.names[i], static_cast<int64_t>(i));
  }
  int64_t find(const std::string& text, const std::string& where) const {
    if (const auto it = index_of_.find(text); it != index_of_.end()) return it->second;
    int64_t index = -1;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), index);
    const bool is_number = result.ec == std::errc() && result.ptr == text.data() + text.size();
    if (!is_number || index < 0 || index >= num_images_)
      throw DataError(
          {.where = where,
           .what = "the line names no image of the set",
           .got = fmt::format("'{}'", text),
           .expected = fmt::format("{}an index from 0 to {}", name_hint(), num_images_ - 1),
           .hint = ""});
    return index;
  }

 private:
  std::string name_hint() const {
    return index_of_.empty()
               ? ""
               : fmt::format("an image name such as '{}', or ", index_of_.begin()->first);
  }

  int64_t num_images_;
  std::map<std::string, int64_t> index_of_;
};

at::Tensor read_list(const std::string& path, const ImageFinder& finder) {
  std::istringstream lines(io::read_file(path));
  std::vector<int64_t> indices;
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number)
    if (const std::string text = strip(line); !text.empty())
      indices.push_back(finder.find(text, fmt::format("{}:{}", path, number)));
  return at::tensor(indices, at::kLong);
}

SplitProtocol::Lists read_lists(const SplitConfig& config, const ImageSet& set) {
  if (config.biased_file.empty())
    throw UsageError({.where = "data.split.biased_file",
                      .what = "the protocol 'file' needs a list of the biased images",
                      .got = "",
                      .expected = "the path of a text file with one index or image name a line",
                      .hint = ""});
  const ImageFinder finder(set);
  SplitProtocol::Lists lists{read_list(config.biased_file, finder), {}};
  if (!config.reference_file.empty()) lists.reference = read_list(config.reference_file, finder);
  return lists;
}

const bool registered = SplitProtocolRegistry::instance().add(
    {.name = "file",
     .summary = "The lists in data.split.biased_file and, if given, data.split.reference_file.",
     .source = "ours",
     .use_when = "A published split, or one made by hand."},
    {.plan = nullptr, .lists = read_lists});

}  // namespace
}  // namespace equipoise::data
