#include "seed_list.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "core/error.h"

namespace equipoise::cli {
namespace {

constexpr size_t kMaxSeeds = 100'000'000;

struct Range {
  int64_t first, last;
};

std::optional<int64_t> parse_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::optional<Range> parse_range(std::string_view text) {
  const size_t dash = text.find('-');
  const auto first = parse_number(text.substr(0, dash));
  const auto last = dash == text.npos ? first : parse_number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return Range{*first, *last};
}

}  // namespace

std::vector<int64_t> parse_seeds(const std::string& text) {
  std::vector<int64_t> seeds;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const auto range = parse_range(std::string_view(text).substr(begin, end - begin));
    if (!range || static_cast<size_t>(range->last - range->first) >= kMaxSeeds - seeds.size())
      throw UsageError(
          {.where = "--seeds",
           .what = "not a list of seeds",
           .got = "'" + text + "'",
           .expected =
               "numbers and rising ranges such as 0-63 or 0,5,7-9, at most 100 million seeds"});
    for (int64_t seed = range->first; seed <= range->last; ++seed) seeds.push_back(seed);
    begin = end + 1;
  }
  return seeds;
}

}  // namespace equipoise::cli
