// Lists made elsewhere: one index or image name a line.
#include <sstream>

#include <fmt/format.h>

#include "core/error.h"
#include "data/image_finder.h"
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
